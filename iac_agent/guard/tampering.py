"""What edits must leave alone, whoever proposes them: what the guard itself rests on, and what the user pinned or protected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from iac_agent.guard.check import Finding
from iac_agent.guard.policy import Ruling, Severity
from iac_agent.hcl.document import Block
from iac_agent.hcl.module import Module, RootModule

RULES_FILES = (".iacagent.yaml", ".iacagent.policies.yaml")
_OURS = frozenset({".iacagent", ".git", ".terraform", ".github", ".gitlab-ci.yml"})
_SOURCE = "https://developer.hashicorp.com/terraform/language"


def found(before: RootModule, edited: Mapping[Path, bytes]) -> list[Finding]:
    """What the edits touch and must not. `edited` are whole files by absolute path, as they would be."""
    return [*_files(before, edited), *_pinned(before, before.with_edits(dict(edited)))]


def _files(root: RootModule, edited: Mapping[Path, bytes]) -> Iterator[Finding]:
    for path in edited:
        shown = str(root.shown(path))
        parts = set(path.relative_to(root.repository).parts) if path.is_relative_to(root.repository) else set()
        if path.name in RULES_FILES or parts & _OURS:
            yield _finding("EDT-001", "The rules are not edited", shown, shown, "Who is judged does not write the rules.")
        elif path.name == ".terraform.lock.hcl":
            yield _finding("EDT-002", "The lock file is not edited", shown, shown, "It says which program of a provider is run.")
        elif not root.holds(path if path.exists() else path.parent):
            yield _finding("EDT-003", "Edits stay inside the repository", shown, shown, "A link led out of it.")


def _pinned(before: RootModule, after: RootModule) -> Iterator[Finding]:
    old, new = _protections(before), _protections(after)
    for key in sorted(old.keys() | new.keys()):
        rule, what = key
        was, now = old.get(key, ("", ""))[0], new.get(key, ("", ""))[0]
        where = (new.get(key) or old.get(key) or ("", ""))[1]
        if was == now:
            continue
        if rule == "EDT-004":
            yield _finding(rule, "The backend is not changed", what, where, "The state would go somewhere else.")
        elif rule == "EDT-005" and was and now and not (_is_local(was) and _is_local(now)):
            yield _finding(rule, "Providers and modules are not swapped", what, where, "Terraform would run or fetch another one.")
        elif rule == "EDT-006" and was and not now:
            yield _finding(rule, "prevent_destroy is not taken away", what, where, "Somebody wrote that it must not be destroyed.")


def _finding(rule: str, title: str, what: str, where: str, why: str) -> Finding:
    fix = "Make this change by hand, in a change of its own."
    return Finding(rule, title, Ruling.REFUSE, Severity.CRITICAL, what, where, "", "", why, fix, _SOURCE)


def _protections(root: RootModule) -> dict[tuple[str, str], tuple[str, str]]:
    """What is pinned or protected, with its text and place: backends, providers, sources of modules, prevent_destroy."""
    held: dict[tuple[str, str], tuple[str, str]] = {}
    for module in root.modules:
        for document in module.documents:
            for block in document.blocks:
                for key, text in _of(block, module):
                    held[key] = (text, block.where)
    return held


def _of(block: Block, module: Module) -> Iterator[tuple[tuple[str, str], str]]:
    text = block.document.text
    if block.type == "terraform":
        for inner in block.blocks:
            if inner.type in ("backend", "cloud"):
                yield ("EDT-004", f"{module.prefix}{inner.type}"), text(inner.node)
            if inner.type == "required_providers":
                for name, attribute in inner.attributes.items():
                    yield ("EDT-005", f"{module.prefix}provider {name}"), text(attribute.value)
    elif block.type == "provider":
        yield ("EDT-005", f"{module.prefix}provider {' '.join(block.labels)} {block.where.rsplit(':', 1)[0]}"), text(block.node)
    elif block.type == "module" and block.labels:
        for name in ("source", "version", "providers"):
            if name in block.attributes:
                yield ("EDT-005", f"{module.prefix}module.{block.labels[0]} {name}"), text(block.attributes[name].value)
    elif block.type == "resource":
        for inner in block.blocks:
            protects = inner.attributes.get("prevent_destroy") if inner.type == "lifecycle" else None
            if protects is not None and text(protects.value) == "true":
                yield ("EDT-006", f"{module.prefix}{'.'.join(block.labels)}"), "true"


def _is_local(source: str) -> bool:
    """A module of the repository may take the place of another one: what it holds is judged itself."""
    return source.strip('" ').startswith(("./", "../"))
