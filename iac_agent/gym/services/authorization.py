"""Microsoft.Authorization and Microsoft.ManagedIdentity: role definitions and assignments, locks, identities.

Sources: api-versions 2022-04-01 (roles), 2020-05-01 (locks), 2024-11-30 (identities); built-in role ids from
https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
"""

from __future__ import annotations

import re
from typing import Any

from iac_agent.gym import faults, identity
from iac_agent.gym.cloud import ResourceType, Write, stable_guid
from iac_agent.gym.services import Call, Operation, Outcome
from iac_agent.gym.store import Body

_ROLES = {
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "User Access Administrator": "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
    "Network Contributor": "4d97b98b-1d4f-4787-a291-c67834d212e7",
    "Virtual Machine Contributor": "9980e02c-c2be-4d73-94e8-173b1dc7cf3c",
    "Virtual Machine Administrator Login": "1c0163c0-47e6-4577-8991-ea5c82e286e4",
    "Virtual Machine User Login": "fb879df8-f326-4884-b1cf-06f3ad86be52",
    "Storage Account Contributor": "17d1049b-9a84-46fb-8f53-869881c3d3ab",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Key Vault Administrator": "00482a5a-887f-4fb3-b363-3b7fe8e74483",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "Monitoring Reader": "43d0d8ad-25c7-4714-9337-8ba259a9fe05",
    "Monitoring Contributor": "749f88d5-cbae-40b8-bcfc-e573ddc772fa",
    "Log Analytics Reader": "73c42c96-874c-492b-b04d-ab87d138a893",
    "Log Analytics Contributor": "92aaf0da-9dab-42b6-94a3-d43ce8d16293",
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "AcrPush": "8311e382-0749-4cb8-b61a-304f252e45ec",
}


def fill_identity(write: Write) -> None:
    """Give a resource the principal ids of the identity it asks for; drop an identity of type None."""
    asked: Any = write.body.get("identity")
    kind = str((asked or {}).get("type") or "None").replace(" ", "")
    if kind == "None":
        write.body.pop("identity", None)
        return
    if "SystemAssigned" in kind:
        asked["principalId"] = stable_guid(write.id.text, "principal")
        asked["tenantId"] = identity.TENANT
    held = {}
    for resource_id in asked.get("userAssignedIdentities") or {}:
        found = write.require(resource_id)
        properties = getattr(found, "properties", {})
        held[resource_id] = {"principalId": properties.get("principalId"), "clientId": properties.get("clientId")}
    if held:
        asked["userAssignedIdentities"] = held
    else:
        asked.pop("userAssignedIdentities", None)


def _fill_user_identity(write: Write) -> None:
    born = write.cloud.now().isoformat()
    write.properties.update(
        tenantId=identity.TENANT,
        principalId=write.old.get("principalId") or stable_guid(write.id.text, "principal", born),
        clientId=write.old.get("clientId") or stable_guid(write.id.text, "client", born),
    )


def _definition(name: str, scope: str) -> Body:
    return {
        "id": f"{scope}/providers/Microsoft.Authorization/roleDefinitions/{_ROLES[name]}",
        "name": _ROLES[name],
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": name,
            "type": "BuiltInRole",
            "description": name,
            "assignableScopes": ["/"],
            "permissions": [{"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}],
        },
    }


def _definitions(call: Call, parts: dict[str, str]) -> Outcome:
    wanted = re.search(r"roleName eq '([^']*)'", call.query.get("$filter", ""), re.IGNORECASE)
    scope = f"/subscriptions/{identity.SUBSCRIPTION}"
    names = [n for n in _ROLES if not wanted or n.lower() == wanted[1].lower()]
    return 200, {"value": [_definition(n, scope) for n in names]}


def _one_definition(call: Call, parts: dict[str, str]) -> Outcome:
    name = next((n for n, number in _ROLES.items() if number == parts["role"].lower()), None)
    if name is None:
        raise faults.ArmFaultError(
            404,
            "RoleDefinitionDoesNotExist",
            f"The specified role definition with ID '{parts['role']}' does not exist.",
        )
    return 200, _definition(name, f"/subscriptions/{identity.SUBSCRIPTION}")


def _fill_assignment(write: Write) -> None:
    properties = write.properties
    role = str(properties.get("roleDefinitionId", "")).rsplit("/", 1)[-1].lower()
    if role not in _ROLES.values():
        raise faults.bad_request("RoleDefinitionDoesNotExist", f"The specified role definition with ID '{role}' does not exist.")
    scope = re.split("/providers/microsoft.authorization/roleassignments/", write.id.text, flags=re.IGNORECASE)[0]
    for other in write.cloud.store.of_type("Microsoft.Authorization/roleAssignments"):
        held = other.properties
        same = (held["principalId"], held["roleDefinitionId"].lower(), held["scope"].lower()) == (
            properties.get("principalId"),
            str(properties["roleDefinitionId"]).lower(),
            scope.lower(),
        )
        if same and other.id.lower() != write.id.text.lower():
            raise faults.conflict("RoleAssignmentExists", "The role assignment already exists.")
    if write.before and write.old.get("principalId") != properties.get("principalId"):
        raise faults.bad_request(
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
        )
    properties.setdefault("principalType", "ServicePrincipal")
    properties["scope"] = scope
    properties.pop("provisioningState", None)


def _fill_lock(write: Write) -> None:
    if write.properties.get("level") not in ("CanNotDelete", "ReadOnly"):
        raise faults.bad_request("InvalidLockLevel", f"The lock level '{write.properties.get('level')}' is not valid.")


TYPES = [
    ResourceType("Microsoft.ManagedIdentity/userAssignedIdentities", fill=_fill_user_identity),
    ResourceType("Microsoft.Authorization/roleAssignments", located=False, scoped=True, shown_on_delete=True, fill=_fill_assignment),
    ResourceType("Microsoft.Authorization/locks", located=False, scoped=True, fill=_fill_lock),
]
ROUTES = [
    Operation("GET", "{scope*}/providers/Microsoft.Authorization/roleDefinitions", _definitions),
    Operation("GET", "{scope*}/providers/Microsoft.Authorization/roleDefinitions/{role}", _one_definition),
    Operation("GET", "/providers/Microsoft.Authorization/roleDefinitions", _definitions),
]
