"""Fixes as suggestions: an edit that makes a broken rule hold, written where the value is written, and proven before it is shown.

The value comes from the rule: what its fix says to set, or its own example of what passes. A fix is shown only when the configuration with
it breaks the rule no more, and no other.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from iac_agent.agent.git import Git
from iac_agent.errors import HclError, IacAgentError
from iac_agent.guard import redact
from iac_agent.guard.check import Finding
from iac_agent.guard.policy import Example, Policy, Ruling
from iac_agent.guard.verdict import judge
from iac_agent.hcl.address import parse_path
from iac_agent.hcl.changeset import FileChange, apply_edits
from iac_agent.hcl.configuration import Configuration, Given
from iac_agent.hcl.module import RootModule
from iac_agent.planner.protocol import Context, Unsettled
from iac_agent.planner.world import World
from iac_agent.review import static
from iac_agent.review.checkout import Checkouts
from iac_agent.review.forges import PullRequest, Suggestion
from iac_agent.review.review import Reviewer, Setup
from iac_agent.review.touched import Repository, Touched, touched
from iac_agent.terraform.models import State

# What the fix of a rule says to set, as in: Set min_tls_version = "TLS1_2".
_SET = re.compile(r'(?P<name>[a-z][\w.]*) = (?P<value>"[^"]*"|true|false|\d+)')


@dataclass(frozen=True)
class Fix:
    """A finding and its fix: a patch where there is one, a suggestion where the lines are in the pull request; else why there is none."""

    address: str
    why: str
    patch: str = ""
    suggestion: Suggestion | None = None


def fixes(reviewer: Reviewer, checkouts: Checkouts, pull: PullRequest, rule: str, rules: str, address: str = "") -> list[Fix]:
    """The fixes of what a pull request breaks of a rule, on one address or on all; by the rules of the commit `rules`."""
    revisions = checkouts.revisions(pull.base, pull.head)
    top, base_top = checkouts.at(revisions.head), checkouts.at(revisions.base)
    rules_top = checkouts.at(rules)
    patterns = reviewer.patterns(rules_top)
    change = touched(Repository(base_top, patterns), Repository(top, patterns), checkouts.changed(revisions.fork, revisions.head))
    lines = _added(checkouts.repository, revisions.fork, revisions.head)
    found: list[Fix] = []
    for one in (t for t in change.touched if not t.gone):
        setup = reviewer.wire(top, rules_top, one.target, one.was or one.target.place)
        found += _Fixer(setup, one, top, lines).fixes(rule, address)
    return found


@dataclass
class _Fixer:
    """Fixes in one root module; `lines` are those that the pull request added, by file."""

    setup: Setup
    touched: Touched
    top: Path
    lines: dict[str, set[int]]

    def fixes(self, rule: str, address: str) -> Iterator[Fix]:
        root = RootModule(self.top / self.touched.target.place)
        given = self.touched.target.given(root.directory)
        policy = next((p for p in self.setup.guard.checks.policies if p.id == rule), None)
        if self.setup.guard.gated(root) or policy is None:
            return
        before = self._broken(root, given)
        for finding in before:
            if finding.rule == rule and (not address or finding.address == address):
                yield self._fix(finding, policy, root, given, before)

    def _broken(self, root: RootModule, given: Given) -> list[Finding]:
        """What the configuration breaks, by itself."""
        plan = static.plan(None, Configuration(root, given), self.setup.major)
        found = self.setup.guard.assess(judge(plan, None), plan, root, given, whole=True).findings
        return [f for f in found if f.outcome in (Ruling.REFUSE, Ruling.WARN)]

    def _fix(self, finding: Finding, policy: Policy, root: RootModule, given: Given, before: list[Finding]) -> Fix:
        value = _passing(policy, finding)
        if value is None:
            return Fix(finding.address, f"no edit is known by itself. {finding.fix}")
        try:
            changed = self._edited(finding, value, root, given)
            after = self._broken(root.with_edits({c.path: c.after for c in changed}), given)
        except (IacAgentError, Unsettled) as problem:
            return Fix(finding.address, f"no edit fits: {problem}. {finding.fix}")
        keys = {(f.rule, f.address, f.attribute) for f in before}
        if any(f.rule == finding.rule and f.address == finding.address for f in after):
            return Fix(finding.address, f"setting one value does not do. {finding.fix}")
        worse = [f for f in after if (f.rule, f.address, f.attribute) not in keys]
        if worse or len(changed) != 1:
            return Fix(finding.address, f"an edit would break {worse[0].rule if worse else 'more than one file'}. {finding.fix}")
        why = f"{finding.attribute} = {value}, so that {finding.rule} holds, and no other rule is broken."
        return Fix(finding.address, why, _patch(changed[0], self.top), self._suggestion(changed[0], f"**{finding.rule}** {finding.title}"))

    def _edited(self, finding: Finding, value: Any, root: RootModule, given: Given) -> list[FileChange]:
        """Write the value where it is written: in the block, a variable, a module's argument. Raises an HclError, Unsettled."""
        world = World.build(Context(root, State(), self.setup.major, "", given))
        resource = world.inventory.by_address.get(finding.address)
        if resource is None:
            raise HclError(f"{finding.address} is not written here")
        world.writer.set([resource], finding.attribute.replace("[0]", ""), value)
        return list(apply_edits(root, world.writer.settle()).files.values())

    def _suggestion(self, change: FileChange, why: str) -> Suggestion | None:
        """The lines that differ, where the pull request added lines right there: a forge takes suggestions on those only."""
        old, new = ((b or b"").decode("utf-8").splitlines() for b in (change.before, change.after))
        blocks = [o for o in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if o[0] != "equal"]
        if len(blocks) != 1:
            return None
        _, first, last, start, end = blocks[0]
        text = new[start:end]
        if first == last:  # lines that are new: the one before them is replaced by itself and them
            first, text = first - 1, [old[first - 1], *text]
        name = change.path.resolve().relative_to(self.top.resolve()).as_posix()
        if first < 0 or not set(range(first + 1, last + 1)) <= self.lines.get(name, set()):
            return None
        return Suggestion(name, first + 1, last, "\n".join(text), why)


def _passing(policy: Policy, finding: Finding) -> Any:
    """A value that would pass: what the rule's fix says to set, else that of its own example; None where neither says one."""
    name = str(parse_path(finding.attribute)[-1]) if finding.attribute else ""
    for said in _SET.finditer(policy.fix):
        if said["name"].split(".")[-1] == name:
            return yaml.safe_load(said["value"])
    value: Any = policy.passing.values if isinstance(policy.passing, Example) and name else None
    for step in parse_path(finding.attribute) if name else ():
        if isinstance(value, Mapping):
            value = value.get(str(step))
        elif isinstance(value, list | tuple) and value:
            inner = value[0]
            value = inner if isinstance(step, int) else inner.get(str(step)) if isinstance(inner, Mapping) else None
        else:
            return None
    plain = isinstance(value, str | int | float | bool) and not str(value).startswith(("=", "/"))
    return value if plain else None


def _patch(change: FileChange, top: Path) -> str:
    name = change.path.resolve().relative_to(top.resolve()).as_posix()
    old, new = ((b or b"").decode("utf-8").splitlines() for b in (change.before, change.after))
    return "\n".join(redact.line(x) for x in difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm=""))


def _added(repository: Path, before: str, after: str) -> dict[str, set[int]]:
    """The lines that a change adds, 1-based, by file."""
    told = Git(repository).told("diff", "--unified=0", "--no-color", "--no-ext-diff", "--no-renames", before, after)
    found: dict[str, set[int]] = {}
    name = ""
    for line in told.splitlines():
        if line.startswith("+++ "):
            name = line[4:].strip('"').removeprefix("b/")
        elif line.startswith("@@ "):
            start, _, count = line.split("+", 1)[1].split(" ")[0].partition(",")
            found.setdefault(name, set()).update(range(int(start), int(start) + int(count or 1)))
    return found
