"""Addresses: how Terraform names a resource, and how we name a value inside a block.

Source: https://developer.hashicorp.com/terraform/internals/resource-addressing
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from iac_agent.errors import UsageError

Step = str | int
_INDEX = r'\[(?:(?P<{0}int>\d+)|"(?P<{0}str>(?:[^"\\]|\\.)*)")\]'
_MODULE = re.compile(r"module\.(?P<name>[^.\[\]]+)(?:" + _INDEX.format("i") + r")?\.?")
_RESOURCE = re.compile(r"(?P<data>data\.)?(?P<type>[A-Za-z_][\w-]*)\.(?P<name>[A-Za-z_][\w-]*)(?:" + _INDEX.format("i") + r")?$")
_KEY = re.compile(r'\[(?:"(?:[^"\\]|\\.)*"|[^\]"]*)\]')
_BARE_STEP = re.compile(r"@\d+|[A-Za-z_][\w-]*")
_PATH_STEP = re.compile(r'(@\d+|[A-Za-z_][\w-]*)|\[(\d+)\]|\["([^"]*)"\]')


def _index(match: re.Match[str]) -> str | int | None:
    if match["iint"] is not None:
        return int(match["iint"])
    if match["istr"] is not None:
        return match["istr"].replace('\\"', '"').replace("\\\\", "\\")
    return None


def show_index(index: str | int | None) -> str:
    """An instance key as Terraform writes it behind an address; empty for None."""
    if index is None:
        return ""
    return f"[{index}]" if isinstance(index, int) else '["' + index.replace("\\", "\\\\").replace('"', '\\"') + '"]'


@dataclass(frozen=True)
class Address:
    """A resource or data source: `module.web["a"].data.azurerm_subnet.app[0]`.

    `modules` are the module calls from the root down, each with its instance key or None.
    """

    type: str
    name: str
    index: str | int | None = None
    modules: tuple[tuple[str, str | int | None], ...] = ()
    mode: str = "managed"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address as Terraform prints it. Raises UsageError when it is none."""
        rest, modules = text.strip(), []
        while match := _MODULE.match(rest):
            modules.append((match["name"], _index(match)))
            rest = rest[match.end() :]
        match = _RESOURCE.match(rest)
        if not match:
            raise UsageError(f"{text!r} is not a resource address", hint="For example azurerm_linux_virtual_machine.web[0].")
        return cls(match["type"], match["name"], _index(match), tuple(modules), "data" if match["data"] else "managed")

    @property
    def block(self) -> Address:
        """The address of the block this instance comes from: no instance keys."""
        return Address(self.type, self.name, None, tuple((m, None) for m, _ in self.modules), self.mode)

    def covers(self, other: Address) -> bool:
        """Whether the other is an instance of this: the same, but that a key left out here stands for every one."""
        own, theirs = (*self.modules, (self.name, self.index)), (*other.modules, (other.name, other.index))
        if (self.mode, self.type, len(own)) != (other.mode, other.type, len(theirs)):
            return False
        return all(a == b and (k is None or k == j) for (a, k), (b, j) in zip(own, theirs, strict=True))

    def __str__(self) -> str:
        prefix = "".join(f"module.{name}{show_index(key)}." for name, key in self.modules)
        data = "data." if self.mode == "data" else ""
        return f"{prefix}{data}{self.type}.{self.name}{show_index(self.index)}"


def without_keys(address: str) -> str:
    """The text of an address with every instance key left out, also where it is no full address (`azurerm_managed_disk*`)."""
    return _KEY.sub("", address) if "[" in address else address


def parse_path(text: str) -> tuple[Step, ...]:
    """`os_disk.disk_size_gb`, `security_rule[1].priority`, `tags["cost centre"]`, `tags.@1.role` as steps. Raises UsageError."""
    steps: list[Step] = []
    position = 0
    while position < len(text):
        if text[position] == ".":
            position += 1
        match = _PATH_STEP.match(text, position)
        if not match:
            raise UsageError(f"{text!r} is not a path to an attribute", hint="For example os_disk.disk_size_gb.")
        name, number, key = match.groups()
        steps.append(int(number) if number is not None else (name if name is not None else key))
        position = match.end()
    return tuple(steps)


def show_path(steps: tuple[Step, ...]) -> str:
    """The text that parse_path reads."""
    out = ""
    for step in steps:
        if isinstance(step, int):
            out += f"[{step}]"
        elif _BARE_STEP.fullmatch(step):
            out += f".{step}" if out else step
        else:
            out += f'["{step}"]'
    return out
