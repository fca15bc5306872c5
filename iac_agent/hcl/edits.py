"""The edits a ChangeSet is made of: what to change, by address. How it is done in bytes is in `surgery`.

`address` names a block (`azurerm_linux_virtual_machine.vm`, `module.web`, `variable.size`, `local.tags`, `provider.azurerm`);
`path` names a value inside it (`os_disk.disk_size_gb`); `value` is HCL source, see `document.literal`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from iac_agent.errors import EditRejected


@dataclass(frozen=True)
class Edit:
    """Base of all edits."""

    address: str

    def describe(self) -> str:
        """One line for people."""
        raise NotImplementedError

    def as_json(self) -> dict[str, Any]:
        return {"edit": type(self).__name__, **asdict(self)}


def from_json(described: dict[str, Any]) -> Edit:
    """The edit that `as_json` described. Raises EditRejected when it is none."""
    known = {kind.__name__: kind for kind in kinds()}
    content = dict(described)
    kind = known.get(str(content.pop("edit", "")))
    if kind is None:
        raise EditRejected(f"there is no edit called {described.get('edit')!r}", hint=f"There are {', '.join(sorted(known))}.")
    if isinstance(content.get("arguments"), list):
        content["arguments"] = tuple((str(k), str(v)) for k, v in content["arguments"])
    try:
        made = kind(**content)
    except TypeError as problem:
        raise EditRejected(f"{kind.__name__}: {problem}") from problem
    wrong = [n for n, v in content.items() if n != "arguments" and not isinstance(v, str)]
    if wrong:
        raise EditRejected(f"{kind.__name__}: {', '.join(wrong)} must be text (HCL source)")
    return made


def kinds(base: type[Edit] | None = None) -> list[type[Edit]]:
    """Every kind of edit."""
    return [k for c in (base or Edit).__subclasses__() for k in ([c] if c is not InnerEdit else []) + kinds(c)]


@dataclass(frozen=True)
class InnerEdit(Edit):
    """Base of the edits of what `path` names inside the block."""

    path: str


@dataclass(frozen=True)
class SetAttribute(InnerEdit):
    """Set `path` to `value`; a new argument goes behind the argument named `after`, else behind the last one.

    An expression is replaced only when `replacing` is its source.
    """

    value: str
    after: str = ""
    replacing: str = ""

    def describe(self) -> str:
        return f"set {self.path} = {self.value}"


@dataclass(frozen=True)
class RemoveAttribute(InnerEdit):
    """Remove the argument at `path`."""

    def describe(self) -> str:
        return f"remove {self.path}"


@dataclass(frozen=True)
class AppendItem(InnerEdit):
    """Append `value` to the list at `path`."""

    value: str

    def describe(self) -> str:
        return f"append {self.value} to {self.path}"


@dataclass(frozen=True)
class RemoveItem(InnerEdit):
    """Remove the item whose source is `value` from the list at `path`."""

    value: str

    def describe(self) -> str:
        return f"remove {self.value} from {self.path}"


@dataclass(frozen=True)
class PutKey(InnerEdit):
    """Set `key` of the map at `path` to `value`, adding it when it is missing. The map itself is created when it is missing."""

    key: str
    value: str

    def describe(self) -> str:
        return f"set {self.path}.{self.key} = {self.value}"


@dataclass(frozen=True)
class RenameKey(InnerEdit):
    """Rename `key` of the map at `path` to `to`."""

    key: str
    to: str

    def describe(self) -> str:
        return f"rename {self.path}.{self.key} to {self.to}"


@dataclass(frozen=True)
class DropKey(InnerEdit):
    """Remove `key` from the map at `path`."""

    key: str

    def describe(self) -> str:
        return f"remove {self.path}.{self.key}"


@dataclass(frozen=True)
class AddBlock(InnerEdit):
    """Add a nested block at `path` (its type, last step) with arguments as (name, HCL source) pairs."""

    arguments: tuple[tuple[str, str], ...] = ()

    def describe(self) -> str:
        inner = ", ".join(f"{k} = {v}" for k, v in self.arguments)
        return f"add block {self.path} {{ {inner} }}" if inner else f"add block {self.path} {{}}"


@dataclass(frozen=True)
class AddNested(Edit):
    """Add a nested block, given as source, behind the other nested blocks: one with labels or with blocks inside."""

    source: str

    def describe(self) -> str:
        return f"add {self.source.split('{', 1)[0].strip()}"


@dataclass(frozen=True)
class RemoveBlock(InnerEdit):
    """Remove the nested block at `path` (`security_rule[1]`)."""

    def describe(self) -> str:
        return f"remove block {self.path}"


@dataclass(frozen=True)
class RemoveValue(InnerEdit):
    """Remove the element at `path` from the map or list that holds it: in HCL a list element, in YAML and JSON either."""

    def describe(self) -> str:
        return f"remove {self.path}"


@dataclass(frozen=True)
class RenameBlock(Edit):
    """Give a resource or module block the label `to`. References are RenameReferences, one for each file."""

    to: str

    def describe(self) -> str:
        return f"rename to {self.to}"


@dataclass(frozen=True)
class RenameReferences(Edit):
    """In the file `address`, let every reference to `old` (`azurerm_subnet.app`) refer to `new`."""

    old: str
    new: str

    def describe(self) -> str:
        return f"refer to {self.new} instead of {self.old}"


@dataclass(frozen=True)
class AddTopLevel(Edit):
    """Add a whole top-level block, given as source, in the directory of the module in `address`.

    It goes behind the last block of the same type and resource type (its kin), else at the end of `file`.
    """

    source: str
    file: str = "main.tf"

    def describe(self) -> str:
        return f"add {self.address}"


@dataclass(frozen=True)
class RemoveResource(Edit):
    """Remove the whole block. What still refers to it is reported by the ChangeSet, not removed."""

    def describe(self) -> str:
        return f"remove {self.address}"
