"""The azurerm provider's own schemas for the supported types, one per major version.

Source: `terraform providers schema -json` of azurerm 4.81.0 and 5.2.0, cut to 48 resources and 28 data sources.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

VERSIONS = {4: "4.81.0", 5: "5.2.0"}
TfType = Any


@dataclass(frozen=True)
class AttributeSchema:
    """One argument: its cty type (as Terraform's JSON writes it) and who may set it."""

    name: str
    type: TfType
    required: bool
    optional: bool
    computed: bool
    sensitive: bool
    write_only: bool
    deprecated: bool

    @property
    def zero(self) -> Any:
        """What the legacy SDK writes for an attribute that is set but empty."""
        return zero_of(self.type)


def zero_of(kind: TfType) -> Any:
    if isinstance(kind, str):
        return {"string": "", "bool": False, "number": 0}.get(kind)
    return {} if kind[0] in ("map", "object") else []


@dataclass(frozen=True, eq=False)
class BlockSchema:
    """A block: arguments, nested blocks, and how the block nests in its parent (`list`, `set`, `single`; empty for the top)."""

    attributes: dict[str, AttributeSchema]
    blocks: dict[str, BlockSchema]
    nesting: str = ""
    min_items: int = 0
    max_items: int = 0

    @classmethod
    def read(cls, raw: dict[str, Any], nesting: str = "", min_items: int = 0, max_items: int = 0) -> BlockSchema:
        attributes = {
            name: AttributeSchema(
                name,
                a["type"],
                bool(a.get("required")),
                bool(a.get("optional")),
                bool(a.get("computed")),
                bool(a.get("sensitive")),
                bool(a.get("write_only")),
                bool(a.get("deprecated")),
            )
            for name, a in raw.get("attributes", {}).items()
        }
        blocks = {
            name: cls.read(b["block"], b["nesting_mode"], b.get("min_items", 0), b.get("max_items", 0))
            for name, b in raw.get("block_types", {}).items()
        }
        return cls(attributes, blocks, nesting, min_items, max_items)


@dataclass(frozen=True)
class ProviderSchema:
    """The schema of one major: `raw` as Terraform prints it, and blocks by type name."""

    major: int
    raw: dict[str, Any]

    @functools.cached_property
    def resources(self) -> dict[str, BlockSchema]:
        return {t: BlockSchema.read(s["block"]) for t, s in self.raw["resource_schemas"].items()}

    @functools.cached_property
    def data_sources(self) -> dict[str, BlockSchema]:
        return {t: BlockSchema.read(s["block"]) for t, s in self.raw["data_source_schemas"].items()}


def attributes_of(type_name: str, major: int) -> dict[str, Any]:
    """The arguments of a resource type for a reader: name to type and whether it is required, nested blocks inside. Empty when unknown."""
    block = provider_schema(major).resources.get(type_name)
    return _described(block) if block is not None else {}


def _described(block: BlockSchema) -> dict[str, Any]:
    told: dict[str, Any] = {n: {"type": a.type, "required": a.required} for n, a in block.attributes.items() if a.required or a.optional}
    return {**told, **{n: {"block": _described(b), "repeats": b.max_items != 1} for n, b in block.blocks.items()}}


@functools.cache
def provider_schema(major: int) -> ProviderSchema:
    """The schema of azurerm `major` (4 or 5)."""
    text = resources.files(__name__).joinpath(f"azurerm-{VERSIONS[major]}.json").read_text("utf-8")
    return ProviderSchema(major, json.loads(text))
