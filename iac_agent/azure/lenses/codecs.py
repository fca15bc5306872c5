"""How a Terraform value and its ARM form convert into each other."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Codec:
    """`to_arm` and `from_arm` take non-null values. `ids`: compare without case, as ARM ids are."""

    to_arm: Callable[[Any], Any]
    from_arm: Callable[[Any], Any]
    ids: bool = False


def _same(value: Any) -> Any:
    return value


def _id_of(value: Any) -> Any:
    return value.get("id", "") if isinstance(value, dict) else value


def normal_location(value: str) -> str:
    """`West Europe` as azurerm stores it: `westeurope`."""
    return value.replace(" ", "").lower()


def _number(value: Any) -> Any:
    try:
        return int(value)
    except (TypeError, ValueError):
        return float(value)


def _edge_zone(value: Any) -> str:
    is_zone = isinstance(value, dict) and str(value.get("type", "")).lower() == "edgezone"
    return normal_location(str(value.get("name", ""))) if is_zone else ""


def _set_order(salt: str) -> Callable[[list[str]], list[str]]:
    """Sets go to ARM in the order of the SDK's hash: the text of crc32 over the value and a salt.

    Source: recorded in golden `platform` (zones 1, 2, 3 are sent as 2, 3, 1); `Set.List` of terraform-plugin-sdk v2.
    """
    return lambda values: sorted(values, key=lambda v: str(zlib.crc32(f"{v}{salt}".encode())))


def private_addresses(configurations: Any) -> list[str]:
    found = [c.get("properties", {}).get("privateIPAddress") for c in configurations or []]
    return [address for address in found if address]


set_order = _set_order(";")
HASHED = Codec(_set_order(""), _same)
EDGE_ZONE = Codec(lambda v: {"type": "EdgeZone", "name": normal_location(v)}, _edge_zone)
FIRST_PRIVATE = Codec(_same, lambda v: next(iter(private_addresses(v)), ""))
ALL_PRIVATE = Codec(_same, private_addresses)
LAST_SEGMENT = Codec(_same, lambda v: str(_id_of(v)).rsplit("/", 1)[-1])
FIRST_ID = Codec(lambda v: {"id": v[0]}, lambda v: [_id_of(v)], ids=True)
IP_TAGS = Codec(lambda v: [{"ipTagType": k, "tag": t} for k, t in v.items()], lambda v: {t["ipTagType"]: t["tag"] for t in v})
ENDPOINTS = Codec(lambda v: [{"service": s} for s in _set_order("")(v)], lambda v: [e["service"] for e in v])


def _joined(separator: str) -> Codec:
    """A set of words that ARM keeps as one text."""
    return Codec(lambda v: separator.join(v), lambda v: [w for w in str(v).replace(" ", "").split(separator.strip()) if w])


def _json_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def same_json(one: Any, other: Any) -> bool:
    """Whether two JSON texts mean the same."""
    try:
        return bool(json.loads(one) == json.loads(other))
    except (TypeError, ValueError):
        return False


def _user_of(path: Any) -> str:
    return str(path).removeprefix("/home/").removesuffix("/.ssh/authorized_keys")


JSON = Codec(json.loads, _json_text)
SSH_USER = Codec(lambda v: f"/home/{v}/.ssh/authorized_keys", _user_of)
NICS = Codec(
    lambda v: [{"id": i, "properties": {"primary": n == 0}} for n, i in enumerate(v)],
    lambda v: [_id_of(n) for n in v],
    ids=True,
)
TRUSTED_LAUNCH = Codec(lambda v: "TrustedLaunch" if v else None, lambda v: v == "TrustedLaunch")
COMMAS = _joined(", ")
SEMICOLONS = _joined(";")
HOST = Codec(_same, lambda v: urlsplit(str(v)).netloc)
IP_RULES = Codec(lambda v: [{"action": "Allow", "value": i} for i in v], lambda v: [r["value"] for r in v])
SUBNET_RULES = Codec(lambda v: [{"action": "Allow", "id": i} for i in v], lambda v: [r["id"] for r in v], ids=True)
IDENTITY_IDS = Codec(lambda v: {i: {} for i in v}, list, ids=True)
ENABLED_WHEN_TRUE = Codec(lambda v: "Enabled" if v else None, lambda v: str(v).lower() == "enabled")
PUBLIC_ACCESS = Codec(
    lambda v: {"private": "None"}.get(v, str(v).capitalize()),
    lambda v: {"none": "private"}.get(str(v).lower(), str(v).lower()),
)
PLAIN = Codec(_same, _same)
LOCATION = Codec(normal_location, normal_location)
ID = Codec(lambda v: {"id": v}, _id_of, ids=True)
IDS = Codec(lambda v: [{"id": i} for i in v], lambda v: [_id_of(i) for i in v], ids=True)
PLAIN_ID = Codec(_same, _same, ids=True)
ENABLED = Codec(lambda v: "Enabled" if v else "Disabled", lambda v: str(v).lower() == "enabled")
NOT = Codec(lambda v: not v, lambda v: not v)
STRING = Codec(lambda v: format(v, "g") if isinstance(v, float) else str(v), _number)
ONE = Codec(lambda v: [v], lambda v: v[0] if v else "")
