"""Rows that several services share: managed identities."""

from __future__ import annotations

from iac_agent.azure.lenses.codecs import IDENTITY_IDS
from iac_agent.azure.lenses.table import Attr, Body, Nested, Values

_KINDS = ("SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned")
IDENTITY = Nested(
    "identity",
    "identity",
    (
        Attr("type", "type", choices=_KINDS, send="always"),
        Attr("identity_ids", "userAssignedIdentities", IDENTITY_IDS, read="present"),
        Attr("principal_id", "principalId", send="never"),
        Attr("tenant_id", "tenantId", send="never"),
    ),
    single=True,
)


def always_identity(body: Body) -> None:
    """Types that send their identity even when there is none (recorded in golden `vm-spot`, `storage`)."""
    held = body.setdefault("identity", {"type": "None"})
    held.setdefault("userAssignedIdentities", None)


def drop_empty_identity(values: Values) -> None:
    """ARM answers type None where azurerm has no block; it also writes the two kinds with and without a space."""
    for held in values.get("identity") or []:
        if held["type"] in ("None", ""):
            values["identity"] = []
        else:
            held["type"] = str(held["type"]).replace(",", ", ").replace("  ", " ")
