"""Microsoft.Storage: accounts, their default services, containers and keys (management plane).

Source: azure-rest-api-specs, Microsoft.Storage 2025-08-01.
"""

from __future__ import annotations

import base64
import hashlib
import re

from iac_agent.gym import faults
from iac_agent.gym.cloud import Cloud, ResourceType, Write
from iac_agent.gym.services import Call, Operation, Outcome
from iac_agent.gym.services import network_combinations as combinations
from iac_agent.gym.services.authorization import fill_identity
from iac_agent.gym.store import Body, Resource

_ACCOUNT = "Microsoft.Storage/storageAccounts"
_SECONDARY = {"westeurope": "northeurope", "northeurope": "westeurope", "eastus": "westus", "westus": "eastus"}
SUFFIX = "storage.localhost"


def _fill_account(write: Write) -> None:
    name = write.id.name
    if not re.fullmatch(r"[a-z0-9]{3,24}", name):
        raise faults.bad_request(
            "AccountNameInvalid",
            f"{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in length and use "
            "numbers and lower-case letters only.",
        )
    for other in write.cloud.store.of_type(_ACCOUNT):
        if other.body["name"] == name and other.id.lower() != write.id.text.lower():
            raise faults.conflict("StorageAccountAlreadyTaken", f"The storage account named {name} is already taken.")
    properties, sku = write.properties, write.body.setdefault("sku", {"name": "Standard_LRS"})
    sku["tier"] = str(sku["name"]).split("_")[0]
    location = write.body["location"]
    kinds = ("blob", "dfs", "file", "queue", "table", "web")
    properties["primaryEndpoints"] = {k: f"https://{name}.{k}.{SUFFIX}/" for k in kinds}
    properties["primaryLocation"], properties["statusOfPrimary"] = location, "available"
    if any(g in str(sku["name"]) for g in ("GRS", "GZRS")):
        properties["secondaryLocation"] = _SECONDARY.get(location, "northeurope")
    else:
        properties.pop("secondaryLocation", None)
    properties["creationTime"] = write.old.get("creationTime") or write.cloud.now().isoformat()
    write.body.setdefault("kind", "StorageV2")
    combinations.storage(write)
    _identity(write)


def _identity(write: Write) -> None:
    fill_identity(write)


def _removing_account(cloud: Cloud, account: Resource) -> None:
    holders = [r for r in cloud.store.referrers(account.id) if r.type.startswith("Microsoft.Compute/disks")]
    if holders:
        raise faults.conflict("StorageAccountOperationConflict", f"The storage account is in use by {holders[0].id}.")


def _fill_container(write: Write) -> None:
    if not re.fullmatch(r"\$root|\$web|[a-z0-9](?:[a-z0-9-]{1,61}[a-z0-9])", write.id.name) or "--" in write.id.name:
        raise faults.bad_request("InvalidResourceName", f"The specified resource name contains invalid characters: {write.id.name}.")
    write.properties.setdefault("publicAccess", "None")
    write.properties.update(
        leaseStatus="Unlocked",
        leaseState="Available",
        hasImmutabilityPolicy=False,
        hasLegalHold=False,
        defaultEncryptionScope=write.properties.get("defaultEncryptionScope") or "$account-encryption-key",
        denyEncryptionScopeOverride=bool(write.properties.get("denyEncryptionScopeOverride")),
    )


def _account(call: Call, depth: int, group: str) -> Resource:
    path = call.path.rsplit("/", depth)[0] if depth else call.path
    found = call.cloud.store.get(path)
    if found is None:
        raise faults.resource_not_found(path, group)
    return found


def account_keys(account: Resource) -> list[str]:
    """The two keys of an account."""
    return [base64.b64encode(hashlib.sha512(f"{account.id.lower()}{n}".encode()).digest()).decode() for n in (1, 2)]


def _keys(call: Call, parts: dict[str, str]) -> Outcome:
    account = _account(call, 1, parts["group"])
    about = {"permissions": "FULL", "creationTime": account.properties["creationTime"]}
    return 200, {"keys": [{"keyName": f"key{n}", "value": key, **about} for n, key in enumerate(account_keys(account), 1)]}


def _read_account(call: Call, parts: dict[str, str]) -> Outcome:
    """GET of an account. Terraform's azurerm backend is shown the blob endpoint that is really served, with a port and a path."""
    account = _account(call, 0, parts["group"])
    agent = call.caller.client
    if "storageaccounts" not in agent or "terraform-provider" in agent:
        return 200, account.body
    endpoints = {**account.properties["primaryEndpoints"], "blob": f"{call.cloud.endpoint}/blob/{account.body['name']}"}
    return 200, {**account.body, "properties": {**account.properties, "primaryEndpoints": endpoints}}


_DEFAULTS: dict[str, Body] = {
    "blobservices": {
        "cors": {"corsRules": []},
        "deleteRetentionPolicy": {"allowPermanentDelete": False, "enabled": False},
    },
    "fileservices": {"cors": {"corsRules": []}, "shareDeleteRetentionPolicy": {"enabled": True, "days": 7}},
    "queueservices": {"cors": {"corsRules": []}},
    "tableservices": {"cors": {"corsRules": []}},
}


def _service(call: Call, parts: dict[str, str]) -> Outcome:
    account = _account(call, 2, parts["group"])
    key = parts["service"].lower()
    if key not in _DEFAULTS:
        raise faults.not_emulated(f"storage {parts['service']}")
    held = account.hidden.setdefault(key, dict(_DEFAULTS[key]))
    if call.body:
        held.update(call.body.get("properties") or {})
        call.cloud.store.save(account)
    body = {
        "id": f"{account.id}/{parts['service']}/default",
        "name": "default",
        "type": f"{_ACCOUNT}/{parts['service']}",
    }
    return 200, {**body, "sku": account.body["sku"], "properties": held}


def _name_available(call: Call, _: dict[str, str]) -> Outcome:
    name = str(call.body.get("name", ""))
    taken = any(a.body["name"] == name for a in call.cloud.store.of_type(_ACCOUNT))
    if taken:
        message = f"The storage account named {name} is already taken."
        return 200, {"nameAvailable": False, "reason": "AlreadyExists", "message": message}
    return 200, {"nameAvailable": True}


TYPES = [
    ResourceType(_ACCOUNT, created=200, slow=True, quick_delete=True, fill=_fill_account, removing=_removing_account),
    ResourceType(f"{_ACCOUNT}/blobServices/containers", created=201, located=False, implicit_parent=True, fill=_fill_container),
]
_ONE = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}"
ROUTES = [
    Operation("GET", _ONE, _read_account),
    Operation("POST", f"{_ONE}/listKeys", _keys),
    Operation("GET", f"{_ONE}/{{service}}/default", _service),
    Operation("PUT", f"{_ONE}/{{service}}/default", _service),
    Operation("POST", "/subscriptions/{subscription}/providers/Microsoft.Storage/checkNameAvailability", _name_available),
]
