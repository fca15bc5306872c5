"""What edits must leave alone, whoever proposes them: what the guard itself rests on, and what the user pinned or protected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from iac_agent.guard.check import Finding
from iac_agent.guard.constructs import Construct, Folder, reached
from iac_agent.guard.policy import Ruling, Severity
from iac_agent.hcl.module import RootModule

RULES_FILES = (".iacagent.yaml", ".iacagent.policies.yaml")
# Folders and files that say what runs, or what is allowed, and are no configuration.
_OURS = frozenset(
    str.split(
        """
        .iacagent .git .terraform terraform.d .github .gitlab-ci.yml .gitlab azure-pipelines.yml .azure-pipelines Jenkinsfile .circleci
        bitbucket-pipelines.yml atlantis.yaml .pre-commit-config.yaml .checkov.yaml
        """
    )
)
_SOURCE = "https://developer.hashicorp.com/terraform/language"
_Key = tuple[str, str]


def found(before: RootModule, after: RootModule, protected: tuple[Path, ...] = ()) -> list[Finding]:
    """What the edits of `after` touch and must not. `protected` are more files and folders that the guard goes by."""
    return [*_files(after, protected), *pinned(before, after)]


def _files(root: RootModule, protected: tuple[Path, ...]) -> Iterator[Finding]:
    for path in root.overrides:
        shown = str(root.shown(path))
        for real in dict.fromkeys((path, path.resolve())):
            parts = set(real.relative_to(root.repository).parts) if real.is_relative_to(root.repository) else set()
            if real.name in RULES_FILES or parts & _OURS or any(real.is_relative_to(p.resolve()) for p in protected):
                yield _finding("EDT-001", "The rules are not edited", shown, shown, "Who is judged does not write the rules.")
                break
            if real.name == ".terraform.lock.hcl":
                yield _finding("EDT-002", "The lock file is not edited", shown, shown, "It says which program of a provider is run.")
                break
            if not root.holds(real if real.exists() else real.parent):
                yield _finding("EDT-003", "Edits stay inside the repository", shown, shown, "A link led out of it.")
                break


def pinned(before: RootModule, after: RootModule) -> Iterator[Finding]:
    """What is swapped that says which programs run and where the state is, and what is not protected any more."""
    old, new = _protections(before), _protections(after)
    places = {key: held for key, (_, held) in {**old, **new}.items()}
    for key in sorted(old.keys() | new.keys()):
        rule, what = key
        was, now = old.get(key, (Counter(), ""))[0], new.get(key, (Counter(), ""))[0]
        if was == now:
            continue
        if rule == "EDT-004":
            yield _finding(rule, "The backend is not changed", what, places[key], "The state would go somewhere else.")
        elif rule == "EDT-005" and was and not _is_free(what, was, now):
            yield _finding(rule, "Providers and modules are not swapped", what, places[key], "Terraform would run or fetch another one.")
        elif rule == "EDT-006" and was:
            yield _finding(rule, "prevent_destroy is not taken away", what, places[key], "Somebody wrote that it must not be destroyed.")


def _is_free(what: str, was: Counter[str], now: Counter[str]) -> bool:
    """A module may be called no more, and one of the repository may take the place of another: what it holds is judged itself."""
    return ".module." in f".{what}" and (not now or all(s.startswith(("./", "../")) for s in (*was, *now)))


def _finding(rule: str, title: str, what: str, where: str, why: str) -> Finding:
    fix = "Make this change by hand, in a change of its own."
    return Finding(rule, title, Ruling.REFUSE, Severity.CRITICAL, what, where, "", "", why, fix, _SOURCE)


def _protections(root: RootModule) -> dict[_Key, tuple[Counter[str], str]]:
    """What is pinned or protected, with every text that says so, in whatever file, and the place of the last."""
    held: dict[_Key, tuple[Counter[str], str]] = {}
    for folder in reached(root).values():
        for construct in folder.constructs:
            for key, text in _of(construct, folder, root):
                counted = held.get(key, (Counter(), ""))[0]
                counted[text] += 1
                held[key] = counted, construct.where
    return held


def _of(block: Construct, folder: Folder, root: RootModule) -> Iterator[tuple[_Key, str]]:
    at = "" if folder.directory == root.directory else f"{root.shown(folder.directory)}: "
    if block.type == "terraform":
        for inner in block.blocks:
            if inner.type in ("backend", "cloud"):
                yield ("EDT-004", f"{at}{inner.type}"), inner.text
            if inner.type == "required_providers":
                for name, entry in inner.arguments.items():
                    yield ("EDT-005", f"{at}provider {name}"), repr(entry) if "an expression" not in repr(entry) else inner.text
    elif block.type == "provider":
        yield ("EDT-005", f"{at}provider {' '.join(block.labels)}"), block.text
    elif block.type == "module" and block.labels:
        for name in ("source", "version", "providers"):
            if name in block.arguments:
                said = block.arguments[name]
                yield ("EDT-005", f"{at}module.{block.labels[0]} {name}"), said if isinstance(said, str) else block.text
    elif block.type == "resource":
        for inner in block.blocks:
            protects = inner.arguments.get("prevent_destroy") if inner.type == "lifecycle" else None
            if protects is not None:
                text = str(protects) if isinstance(protects, str) else inner.text
                yield ("EDT-006", f"{at}{'.'.join(block.labels)}"), text
