"""What a lens is made of: one declarative row per Terraform attribute, and how the resource is written to ARM.

A row says where the value lives in the ARM JSON, how it is converted, its default, and whether changing it replaces the
resource. Everything a row cannot say is a small function beside the table (`Hooks`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from iac_agent.azure.ids import group_id, parent_of
from iac_agent.azure.lenses.codecs import LOCATION, PLAIN, Codec

Values = dict[str, Any]
Body = dict[str, Any]
Send = Literal["always", "set", "never"]
Read = Literal["value", "present", "never"]


@dataclass(frozen=True, eq=False)
class Attr:
    """One attribute. `arm` is a dotted path in the body (relative to the element inside a repeated block); None: not in it.

    `send`: in the PUT body always (zero value when unset), only when set, or never. `read`: always (zero value when ARM lacks
    it), only when present, or never (kept from configuration). `major`: the azurerm major it holds for, None for both.
    `unset`: what absence means, where that is not the zero value.
    """

    name: str
    arm: str | None = None
    codec: Codec = PLAIN
    default: Any = None
    new: bool = False
    choices: tuple[Any, ...] = ()
    between: tuple[float, float] | None = None
    send: Send = "set"
    read: Read = "value"
    major: int | None = None
    unset: Any = None


@dataclass(frozen=True, eq=False)
class Nested:
    """A nested block: one ARM object (`single`) or an array. `computed`: Terraform shows it unknown when it is not configured."""

    name: str
    arm: str | None
    fields: tuple[Attr | Nested, ...]
    single: bool = False
    computed: bool = False
    new: bool = False
    send: Send = "set"
    read: Read = "value"
    major: int | None = None


Field = Attr | Nested


class Arm(Protocol):
    """What lenses need of ARM: full resource paths, JSON in and out. Errors are AzureError; `get` answers None on 404."""

    def get(self, path: str, api: str) -> Body | None: ...
    def put(self, path: str, body: Body, api: str) -> Body: ...
    def post(self, path: str, api: str) -> Body: ...
    def delete(self, path: str, api: str) -> None: ...


@dataclass(frozen=True)
class Problem:
    """A mistake in the configuration: what, and at which attribute path (list of names and indexes)."""

    message: str
    path: tuple[str | int, ...] = ()


@dataclass(frozen=True)
class Hooks:
    """What the rows cannot say. Each is optional; `major` is the azurerm major.

    expand(body, values, major): change the PUT body in place.
    flatten(values, live, known, major): change the values in place; `known` are the values before (state or plan).
    read_more(arm, live, values): fill values that need further ARM calls.
    replace(prior, planned, major): further paths that force a replacement.
    check(config, major): further mistakes found at validation, known values only.
    plan_check(prior, planned, major): mistakes found while planning.
    prepare(arm, values, subscription): fill values a create needs from ARM (a role's id by its name).
    written(arm, resource_id, values, major): what azurerm writes besides the resource itself (a zone's SOA record).
    removed(arm, live, values): what azurerm cleans up after a delete (a machine's OS disk).
    """

    expand: Callable[[Body, Values, int], None] | None = None
    flatten: Callable[[Values, Body, Values, int], None] | None = None
    read_more: Callable[[Arm, Body, Values], None] | None = None
    replace: Callable[[Values, Values, int], list[tuple[str | int, ...]]] | None = None
    check: Callable[[Values, int], list[Problem]] | None = None
    plan_check: Callable[[Values | None, Values, int], list[Problem]] | None = None
    prepare: Callable[[Arm, Values, str], None] | None = None
    written: Callable[[Arm, str, Values, int], None] | None = None
    removed: Callable[[Arm, Body, Values], None] | None = None


@dataclass(frozen=True)
class Put:
    """A resource of its own: created by PUT; updated by PUT of the full body, or of the live body with the changes laid over it.

    `keep`: dotted paths that an update copies from the live resource, because other resources own them.
    """

    keep: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inside:
    """An element of an array of its parent (a load balancer's probes): the parent is read, changed and written whole."""

    parent: str
    array: str


@dataclass(frozen=True)
class Association:
    """A reference in a parent: a single `{id}` at `slot`, or one of an array of them. `slot` may hold `[name={attribute}]`."""

    parent: str
    slot: str
    target: str
    many: bool = False


@dataclass(frozen=True)
class DataDisk:
    """A data disk in a VM's storage profile: the element carries more than a reference."""

    parent: str = "virtual_machine_id"
    array: str = "properties.storageProfile.dataDisks"


Strategy = Put | Inside | Association | DataDisk


@dataclass(frozen=True, eq=False)
class Lens:
    """One azurerm type. `id` is a template over attribute values; `path` the ARM path where that is not the id; `api` the ARM
    api-version by azurerm major; `constant` what every body holds.
    """

    type: str
    arm: str
    api: Mapping[int, str]
    id: str
    fields: tuple[Field, ...]
    strategy: Strategy = Put()
    constant: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""
    hooks: Hooks = Hooks()
    conflicts: tuple[tuple[str, ...], ...] = ()
    exactly_one: tuple[tuple[str, ...], ...] = ()
    at_least_one: tuple[tuple[str, ...], ...] = ()
    together: tuple[tuple[str, ...], ...] = ()

    def fields_for(self, major: int) -> tuple[Field, ...]:
        return _for_major(self.fields, major)

    def build_id(self, values: Values, subscription: str) -> str:
        """The ARM id (azurerm's own composite id for associations) from attribute values."""
        places = {
            "group": group_id(subscription, values.get("resource_group_name") or ""),
            "subscription": subscription,
        }
        return self.id.format_map({**values, **places})

    def parse_id(self, text: str) -> Values:
        """The attribute values an id holds; empty when the id is not of this type."""
        match = _pattern(self.id).fullmatch(text)
        return {k: v for k, v in match.groupdict().items() if k != "subscription"} if match else {}

    def arm_path(self, resource_id: str) -> str:
        """Where ARM keeps the resource with this Terraform id."""
        return self.path.format_map(self.parse_id(resource_id)) if self.path else resource_id

    def owner_id(self, resource_id: str) -> str:
        """The id of the ARM object that holds this resource: itself, or its parent."""
        if isinstance(self.strategy, Put):
            return resource_id
        parent = self.parse_id(resource_id).get(self.strategy.parent, "")
        return str(parent) or parent_of(resource_id)


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    out = ""
    for position, part in enumerate(parts):
        if position % 2 == 0:
            out += re.escape(part)
        elif part == "group":
            out += r"/subscriptions/[^/]+/resourceGroups/(?P<resource_group_name>[^/]+)"
        else:
            whole = part.endswith("_id") or part in ("scope",)
            out += f"(?P<{part}>{'.+' if whole else '[^/|]+'})"
    return re.compile(out, re.IGNORECASE)


@functools.lru_cache(maxsize=4096)
def _for_major(fields: tuple[Field, ...], major: int) -> tuple[Field, ...]:
    return tuple(f for f in fields if f.major in (None, major))


# --- rows that every type shares -------------------------------------------------------------------------------------

NAME = Attr("name", None, new=True, send="never")
GROUP = Attr("resource_group_name", None, new=True, send="never")


NAMED = Attr("name", "name", new=True, send="always")
LOCATION_ROW = Attr("location", "location", LOCATION, new=True, send="always")
TAGS = Attr("tags", "tags", send="always", read="present")


def get_path(body: Any, path: str) -> Any:
    """The value at a dotted path; None when any part is missing."""
    for part in path.split("."):
        if not isinstance(body, Mapping):
            return None
        body = body.get(part)
    return body


def put_path(body: Body, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for part in parents:
        body = body.setdefault(part, {})
    body[last] = value


def drop_path(body: Body, path: str) -> None:
    *parents, last = path.split(".")
    for part in parents:
        inner = body.get(part)
        if not isinstance(inner, dict):
            return
        body = inner
    body.pop(last, None)
