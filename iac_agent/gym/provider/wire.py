"""Between Terraform's wire format and plain values: msgpack with unknowns, and the provider schema as protobuf.

Source: https://developer.hashicorp.com/terraform/plugin/terraform-plugin-protocol and the cty msgpack encoding.
"""

from __future__ import annotations

import json
from typing import Any

import msgpack
from tf.gen import tfplugin_pb2 as pb

from iac_agent.azure.lenses.planning import UNKNOWN
from iac_agent.azure.lenses.table import Problem, Values
from iac_agent.azure.schemas import BlockSchema

_NESTING = {"single": 1, "list": 2, "set": 3, "map": 4, "group": 5}
_WRITE_ONLY = b"\x58\x01"  # field 11 of Schema.Attribute, younger than the stubs


def _decode_extension(_code: int, _data: bytes) -> Any:
    """Every cty extension marks an unknown: 0 plain, 12 with refinements."""
    return UNKNOWN


def _encode_unknown(value: Any) -> Any:
    if value is UNKNOWN:
        return msgpack.ExtType(0, b"\x00")
    raise TypeError(f"{type(value).__name__} has no wire form")


def decode(value: Any) -> Any:
    """A DynamicValue as Python values; unknowns are UNKNOWN; None for null."""
    if value.msgpack:
        return msgpack.unpackb(value.msgpack, ext_hook=_decode_extension, strict_map_key=False)
    return json.loads(value.json) if value.json else None


def encode(value: Any) -> Any:
    return pb.DynamicValue(msgpack=msgpack.packb(_with_decimals(value), default=_encode_unknown))


def _with_decimals(value: Any) -> Any:
    """Fractions as text, as cty writes them: 0.05 is no binary float."""
    if isinstance(value, dict):
        return {k: _with_decimals(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_with_decimals(v) for v in value]
    return repr(value) if isinstance(value, float) and not value.is_integer() else value


def numbers(values: Any, block: BlockSchema) -> Any:
    """The values of a block with every number as one: cty sends fractions as text."""
    if isinstance(values, list):
        return [numbers(v, block) for v in values]
    if not isinstance(values, dict):
        return values
    out = {}
    for name, value in values.items():
        attribute = block.attributes.get(name)
        if attribute is not None and attribute.type == "number" and isinstance(value, str):
            out[name] = float(value)
        else:
            out[name] = numbers(value, block.blocks[name]) if name in block.blocks else value
    return out


def known(value: Any) -> Any:
    """The value with every unknown left out."""
    if value is UNKNOWN:
        return None
    if isinstance(value, dict):
        return {k: known(v) for k, v in value.items() if v is not UNKNOWN}
    if isinstance(value, list):
        return [known(v) for v in value if v is not UNKNOWN]
    return value


def attribute_path(path: tuple[str | int, ...]) -> Any:
    steps = [pb.AttributePath.Step(element_key_int=s) if isinstance(s, int) else pb.AttributePath.Step(attribute_name=s) for s in path]
    return pb.AttributePath(steps=steps)


def diagnostic(summary: str, detail: str = "", path: tuple[str | int, ...] = ()) -> Any:
    found = pb.Diagnostic(severity=pb.Diagnostic.ERROR, summary=summary, detail=detail)
    if path:
        found.attribute.CopyFrom(attribute_path(path))
    return found


def problems(found: list[Problem]) -> list[Any]:
    return [diagnostic(p.message, path=p.path) for p in found]


def multiple(found: list[Problem]) -> list[Any]:
    """Mistakes found while planning, in the one diagnostic that azurerm makes of them (hashicorp/go-multierror)."""
    if not found:
        return []
    count = "1 error" if len(found) == 1 else f"{len(found)} errors"
    return [diagnostic(f"{count} occurred:\n" + "".join(f"\t* {p.message}\n" for p in found) + "\n")]


def schema(raw: Values) -> Any:
    """One resource or data source schema, from Terraform's JSON form."""
    return pb.Schema(version=raw.get("version", 0), block=_block(raw["block"]))


def _block(raw: Values) -> Any:
    attributes = []
    for name, a in sorted(raw.get("attributes", {}).items()):
        attribute = pb.Schema.Attribute(
            name=name,
            type=json.dumps(a["type"]).encode(),
            required=bool(a.get("required")),
            optional=bool(a.get("optional")),
            computed=bool(a.get("computed")),
            sensitive=bool(a.get("sensitive")),
            deprecated=bool(a.get("deprecated")),
        )
        if a.get("write_only"):
            attribute.MergeFromString(_WRITE_ONLY)
        attributes.append(attribute)
    blocks = [
        pb.Schema.NestedBlock(
            type_name=name,
            block=_block(b["block"]),
            nesting=_NESTING[b["nesting_mode"]],
            min_items=b.get("min_items", 0),
            max_items=b.get("max_items", 0),
        )
        for name, b in sorted(raw.get("block_types", {}).items())
    ]
    return pb.Schema.Block(attributes=attributes, block_types=blocks)
