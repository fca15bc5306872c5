"""Which azurerm major a root module is for: its lock file, then `required_providers`, then the newest.

Source: https://developer.hashicorp.com/terraform/language/expressions/version-constraints
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from iac_agent.azure.schemas import VERSIONS
from iac_agent.errors import HclSyntaxError, UsageError
from iac_agent.hcl.document import Block, Document, unwrap

_CLAUSE = re.compile(r"(=|!=|>=|<=|~>|>|<)?\s*v?(\d+(?:\.\d+)*)")
Version = tuple[int, ...]


def major_of(directory: Path) -> int:
    """4 or 5. Raises UsageError when the constraints admit neither of the versions we know."""
    locked = _locked(directory / ".terraform.lock.hcl")
    if locked:
        if locked[0] in VERSIONS:
            return locked[0]
        raise _unknown(f"the lock file has azurerm {'.'.join(map(str, locked))}")
    constraints = list(_constraints(directory))
    for major in sorted(VERSIONS, reverse=True):
        if all(admits(c, _version(VERSIONS[major])) for c in constraints):
            return major
    raise _unknown(f"required_providers asks for azurerm {', '.join(constraints)}")


def _unknown(what: str) -> UsageError:
    known = " and ".join(str(m) for m in VERSIONS)
    return UsageError(f"{what}; the lenses know majors {known}", hint="Upgrade the provider: `terraform init -upgrade`.")


def _version(text: str) -> Version:
    return tuple(int(n) for n in text.split("."))


def _locked(path: Path) -> Version | None:
    if not path.is_file():
        return None
    match = re.search(r'provider "[^"]*/hashicorp/azurerm" \{[^}]*?version\s*=\s*"(\d+(?:\.\d+)*)', path.read_text("utf-8"))
    return _version(match[1]) if match else None


def _constraints(directory: Path) -> Iterable[str]:
    for file in sorted(directory.glob("*.tf")):
        raw = file.read_bytes()
        if b"required_providers" not in raw:
            continue
        try:
            document = Document(file, raw)
        except HclSyntaxError:
            continue
        for block in document.blocks:
            if block.type == "terraform":
                for inner in block.blocks:
                    if inner.type == "required_providers":
                        yield from _required(inner)


def _required(block: Block) -> Iterable[str]:
    attribute = block.attributes.get("azurerm")
    if attribute is None:
        return
    node = unwrap(attribute.value)
    if node.type == "string_lit":
        yield block.document.text(node).strip('"')
    for pair in node.children:
        if pair.type == "object_elem" and block.document.text(pair.children[0]).strip('"') == "version":
            yield block.document.text(pair.children[-1]).strip('"')


def admits(constraint: str, version: Version) -> bool:
    """Whether a constraint such as `>= 4.1, < 6` admits a version."""
    return all(_clause_admits(op or "=", _version(number), version) for op, number in _CLAUSE.findall(constraint))


def _clause_admits(operator: str, bound: Version, version: Version) -> bool:
    padded = bound + (0,) * (3 - len(bound))
    match operator:
        case "=":
            return version == padded or (len(bound) < 3 and version[: len(bound)] == bound)
        case "!=":
            return version != padded
        case ">":
            return version > padded
        case ">=":
            return version >= padded
        case "<":
            return version < padded
        case "<=":
            return version <= padded
    return version >= padded and version[: len(bound) - 1] == bound[:-1]
