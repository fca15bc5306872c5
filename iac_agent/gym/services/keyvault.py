"""Microsoft.KeyVault: vaults with soft delete, recovery and purge (management plane).

Source: azure-rest-api-specs, Microsoft.KeyVault 2023-07-01 and later.
"""

from __future__ import annotations

import re

from iac_agent.gym import faults
from iac_agent.gym.cloud import Cloud, ResourceType, Write
from iac_agent.gym.services import Call, Operation, Outcome
from iac_agent.gym.services import network_combinations as combinations
from iac_agent.gym.store import Resource

_VAULT = "Microsoft.KeyVault/vaults"


def _deleted(cloud: Cloud) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = cloud.store.setting("deleted_vaults", {})
    return found


def _fill_vault(write: Write) -> None:
    name = write.id.name
    if not re.fullmatch(r"[A-Za-z](?:[A-Za-z0-9]|-(?!-)){1,22}[A-Za-z0-9]", name):
        raise faults.bad_request(
            "VaultNameNotValid",
            f"The vault name '{name}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin "
            "with a letter, end with a letter or digit, and not contain consecutive hyphens.",
        )
    for other in write.cloud.store.of_type(_VAULT):
        if other.body["name"].lower() == name.lower() and other.id.lower() != write.id.text.lower():
            raise faults.conflict(
                "VaultAlreadyExists",
                f"The vault name '{name}' is already in use. Vault names are globally unique so it is possible that the name is "
                "already taken.",
            )
    gone = _deleted(write.cloud)
    if name.lower() in gone:
        if write.properties.get("createMode") != "recover":
            raise faults.conflict(
                "ConflictError",
                "A vault with the same name already exists in deleted state. You need to either recover or purge existing key "
                "vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.",
            )
        del gone[name.lower()]
        write.cloud.store.set_setting("deleted_vaults", gone)
    combinations.vault(write)
    properties = write.properties
    if write.old.get("enablePurgeProtection") and not properties.get("enablePurgeProtection"):
        raise faults.bad_request(
            "BadRequest",
            'The property "enablePurgeProtection" cannot be set to false. Enabling the purge protection for a vault is an '
            "irreversible action.",
        )
    properties.pop("createMode", None)
    properties.setdefault("accessPolicies", [])
    properties["vaultUri"] = write.cloud.endpoint + "/"
    kept_for = write.old.get("softDeleteRetentionInDays")
    days = properties.setdefault("softDeleteRetentionInDays", kept_for or 90)
    if kept_for and days != kept_for:
        raise faults.bad_request("BadRequest", 'The property "softDeleteRetentionInDays" has been set already and it can\'t be modified.')


def _removing_vault(cloud: Cloud, vault: Resource) -> None:
    gone = _deleted(cloud)
    gone[vault.body["name"].lower()] = {
        "id": vault.id,
        "location": vault.body["location"],
        "protected": bool(vault.properties.get("enablePurgeProtection")),
    }
    cloud.store.set_setting("deleted_vaults", gone)


def _require_deleted(gone: dict[str, dict[str, object]], name: str) -> dict[str, object]:
    found = gone.get(name.lower())
    if found is None:
        raise faults.ArmFaultError(404, "DeletedVaultNotFound", f"The specified deleted vault '{name}' does not exist.")
    return found


def _one_deleted(call: Call, parts: dict[str, str]) -> Outcome:
    found = _require_deleted(_deleted(call.cloud), parts["vault"])
    return 200, {
        "id": call.path,
        "name": parts["vault"],
        "type": "Microsoft.KeyVault/deletedVaults",
        "properties": {
            "vaultId": found["id"],
            "location": found["location"],
            "purgeProtectionEnabled": found["protected"],
        },
    }


def _purge(call: Call, parts: dict[str, str]) -> Outcome:
    gone = _deleted(call.cloud)
    found = _require_deleted(gone, parts["vault"])
    if found["protected"]:
        raise faults.bad_request(
            "DeletedVaultPurge", 'Operation "purge" is not allowed because purge protection is enabled for this vault.'
        )
    del gone[parts["vault"].lower()]
    call.cloud.store.set_setting("deleted_vaults", gone)
    return 200, None


TYPES = [ResourceType(_VAULT, created=200, slow=True, quick_delete=True, fill=_fill_vault, removing=_removing_vault)]
_DELETED = "/subscriptions/{subscription}/providers/Microsoft.KeyVault/locations/{location}/deletedVaults/{vault}"
ROUTES = [Operation("GET", _DELETED, _one_deleted), Operation("POST", f"{_DELETED}/purge", _purge)]
