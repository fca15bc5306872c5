"""User assigned identities and role assignments.

Sources: recordings in golden `identity`; internal/services/managedidentity and internal/services/authorization of
hashicorp/terraform-provider-azurerm; ARM api-versions 2024-11-30 and 2022-04-01. azurerm 5 changes a role assignment's description and
condition in place, 4 replaces it.
"""

from __future__ import annotations

import uuid

from iac_agent.azure.lenses.codecs import PLAIN_ID
from iac_agent.azure.lenses.table import GROUP, LOCATION_ROW, NAME, TAGS, Arm, Attr, Body, Hooks, Lens, Values
from iac_agent.errors import AzureNotFound

_ROLE_API = "2022-05-01-preview"


def _expand_identity(body: Body, values: Values, major: int) -> None:
    """No isolation is sent as None (recorded in golden `identity`)."""
    properties = body.setdefault("properties", {})
    properties["isolationScope"] = properties.get("isolationScope") or "None"


def _flatten_identity(values: Values, live: Body, known: Values, major: int) -> None:
    values["isolation_scope"] = "" if values["isolation_scope"] == "None" else values["isolation_scope"]


def _prepare_assignment(arm: Arm, values: Values, subscription: str) -> None:
    """A name is made up when none is given; a role given by name is looked up at the scope."""
    values["name"] = values.get("name") or str(uuid.uuid4())
    wanted = values.get("role_definition_name")
    if not values.get("role_definition_id") and wanted:
        path = f"{values['scope']}/providers/Microsoft.Authorization/roleDefinitions?$filter=roleName%20eq%20'{wanted}'"
        found = (arm.get(path, _ROLE_API) or {}).get("value", [])
        if len(found) != 1:
            raise AzureNotFound(f"listing role definitions: could not find role `{wanted}`")
        values["role_definition_id"] = found[0]["id"]


def _expand_assignment(body: Body, values: Values, major: int) -> None:
    if values.get("skip_service_principal_aad_check") and not values.get("principal_type"):
        body["properties"]["principalType"] = "ServicePrincipal"


def _read_role(arm: Arm, live: Body, values: Values) -> None:
    role_id = str((live.get("properties") or {}).get("roleDefinitionId", ""))
    role = arm.get(role_id, _ROLE_API) or {}
    values["role_definition_name"] = (role.get("properties") or {}).get("roleName", "")


USER_ASSIGNED_IDENTITY = Lens(
    "azurerm_user_assigned_identity",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    {4: "2024-11-30", 5: "2024-11-30"},
    "{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}",
    (
        NAME,
        GROUP,
        LOCATION_ROW,
        Attr("isolation_scope", "properties.isolationScope", choices=("Regional",), send="always"),
        Attr("client_id", "properties.clientId", send="never"),
        Attr("principal_id", "properties.principalId", send="never"),
        Attr("tenant_id", "properties.tenantId", send="never"),
        TAGS,
    ),
    hooks=Hooks(expand=_expand_identity, flatten=_flatten_identity),
)


ROLE_ASSIGNMENT = Lens(
    "azurerm_role_assignment",
    "Microsoft.Authorization/roleAssignments",
    {4: "2022-04-01", 5: "2022-04-01"},
    "{scope}/providers/Microsoft.Authorization/roleAssignments/{name}",
    (
        NAME,
        Attr("scope", None, PLAIN_ID, new=True, send="never"),
        Attr("role_definition_id", "properties.roleDefinitionId", PLAIN_ID, new=True, send="always"),
        Attr("role_definition_name", None, new=True, send="never"),
        Attr("principal_id", "properties.principalId", new=True, send="always"),
        Attr("principal_type", "properties.principalType", new=True, choices=("User", "Group", "ServicePrincipal")),
        Attr("skip_service_principal_aad_check", None, send="never", read="never"),
        Attr("delegated_managed_identity_resource_id", "properties.delegatedManagedIdentityResourceId", new=True),
        Attr("description", "properties.description", new=True, send="always", major=4),
        Attr("condition", "properties.condition", new=True, major=4),
        Attr("condition_version", "properties.conditionVersion", new=True, choices=("1.0", "2.0"), major=4),
        Attr("description", "properties.description", send="always", major=5),
        Attr("condition", "properties.condition", major=5),
        Attr("condition_version", "properties.conditionVersion", choices=("1.0", "2.0"), major=5),
    ),
    exactly_one=(("role_definition_id", "role_definition_name"),),
    hooks=Hooks(prepare=_prepare_assignment, read_more=_read_role, expand=_expand_assignment),
)


LENSES = (USER_ASSIGNED_IDENTITY, ROLE_ASSIGNMENT)
