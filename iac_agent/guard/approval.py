"""Approval: who said yes, when, to which plan and which addresses; signed with an SSH key where a root module is protected.

An approval is bound to the hash of the plan file and to the digest of the plan's JSON, so that any change of the plan voids it. Signatures
are those of `ssh-keygen -Y sign`, checked against an allowed signers file.
Sources: https://man.openbsd.org/ssh-keygen#Y and "Cloud Infrastructure Management in the Age of AI Agents" (read-only work by itself,
reversible work after a verdict, irreversible work by a person).
"""

from __future__ import annotations

import fnmatch
import json
import subprocess
import tempfile
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from iac_agent.errors import ApprovalMissing, PlanChanged, Refused, UsageError
from iac_agent.guard.verdict import Verdict

NAMESPACE = "iacagent-approval"
SUFFIX = ".approval"
_SKEW = timedelta(minutes=5)  # of clocks


class Autonomy(StrEnum):
    """How far the agent may go. `NAMED`: what is named on the command line is approved. `REVERSIBLE`: that covers only what can be taken
    back; the rest takes a person at the terminal, or a signature. `READ_ONLY`: it plans and answers, and changes nothing.
    """

    READ_ONLY = "read-only"
    REVERSIBLE = "reversible"
    NAMED = "named"


@dataclass(frozen=True)
class ApprovalRules:
    """What the configuration says. `protected` are patterns of root modules (relative to the configuration file) or workspaces that need
    `people` signatures, none of them of who asked for the plan.
    """

    autonomy: Autonomy = Autonomy.NAMED
    signers: Path | None = None
    people: int = 1
    protected: tuple[str, ...] = ()
    hours: float = 24.0

    def protects(self, root_module: str, workspace: str) -> bool:
        return any(fnmatch.fnmatchcase(name, p) for p in self.protected for name in (root_module, workspace))


@dataclass(frozen=True)
class Statement:
    """What is signed. Times are ISO 8601 in UTC; `requester` is who had the plan made; `root_module` is relative to the repository."""

    plan_digest: str
    plan_file_sha256: str
    files_sha256: str
    root_module: str
    requester: str
    changes: tuple[tuple[str, str], ...]
    at: str
    expires: str

    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, indent=1)


@dataclass(frozen=True)
class Approval:
    """A signed statement; `by` is the principal of the key, once it was verified."""

    statement: Statement
    by: str


@dataclass(frozen=True)
class Approvals:
    """The approvals that came with a plan, all verified."""

    held: tuple[Approval, ...] = ()
    refused: tuple[str, ...] = field(default=())

    @property
    def people(self) -> set[str]:
        """Who signed, each person once: `bob@corp` and `bob@home` are one."""
        return {_person(a.by) for a in self.held}

    def covers(self, address: str, action: str) -> bool:
        """Whether somebody signed this very change."""
        return any((address, action) in a.statement.changes for a in self.held)


@dataclass(frozen=True)
class Subject:
    """What an approval must be about: a judged plan, the files that come with it (by their SHA-256), in a root module. Nobody of the
    requesters can approve it.
    """

    verdict: Verdict
    files_sha256: str
    root_module: str
    requesters: tuple[str, ...]


UNSIGNED = Approvals()


def state(about: Subject, hours: float, now: datetime) -> Statement:
    """The statement about a judged plan."""
    verdict = about.verdict
    changes = tuple((i.address, i.action) for i in verdict.items)
    whose = about.requesters[0] if about.requesters else ""
    until = _iso(now + timedelta(hours=hours))
    return Statement(verdict.digest, verdict.file_hash, about.files_sha256, about.root_module, whose, changes, _iso(now), until)


def sign(statement: Statement, key: Path) -> str:
    """The statement and its signature as the text of an approval file. Raises UsageError when ssh-keygen cannot sign with the key."""
    text = statement.text()
    done = _ssh_keygen("-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key), stdin=text)
    if done.returncode:
        raise UsageError(f"ssh-keygen cannot sign with {key}: {done.stderr.strip()}")
    return json.dumps({"statement": text, "signature": done.stdout}, indent=1)


def beside(plan: Path) -> list[Path]:
    """The approval files that lie beside a saved plan."""
    return sorted(plan.parent.glob(f"{plan.name}.*{SUFFIX}"))


def read(files: list[Path], about: Subject, rules: ApprovalRules, now: datetime) -> Approvals:
    """The approvals in these files that hold for this plan now; why the others do not."""
    held, refused = [], []
    for file in files:
        try:
            held.append(_verified(file, about, rules, now))
        except Refused as problem:
            refused.append(f"{file.name}: {problem.message}")
    return Approvals(tuple(held), tuple(refused))


def _verified(file: Path, about: Subject, rules: ApprovalRules, now: datetime) -> Approval:
    if rules.signers is None or not rules.signers.is_file():
        raise ApprovalMissing("there is no file of allowed signers", [], hint="Set guard.approval.signers.")
    try:
        content = json.loads(file.read_text("utf-8"))
        text, signature = str(content["statement"]), str(content["signature"])
        said = json.loads(text)
        statement = Statement(**{**said, "changes": tuple((str(a), str(b)) for a, b in said["changes"])})
        made, expires = (_moment(t) for t in (statement.at, statement.expires))
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ApprovalMissing(f"it cannot be read: {problem}", []) from problem
    by = _signer(text, signature, rules.signers)
    _require_about(statement, about)
    if any(_person(by) == _person(r) for r in (*about.requesters, statement.requester)):
        raise ApprovalMissing(f"{by} asked for the plan, and cannot approve it", [])
    if made > now + _SKEW or not made < expires <= made + timedelta(hours=rules.hours):
        raise ApprovalMissing(f"its times do not hold: from {statement.at} until {statement.expires}", [])
    if now > expires:
        raise ApprovalMissing(f"it expired at {statement.expires}", [])
    return Approval(statement, by)


def _require_about(statement: Statement, about: Subject) -> None:
    verdict = about.verdict
    if (statement.plan_digest, statement.plan_file_sha256) != (verdict.digest, verdict.file_hash):
        raise PlanChanged("it is for another plan")
    if set(statement.changes) != {(i.address, i.action) for i in verdict.items}:
        raise PlanChanged("it is for other changes")
    if statement.files_sha256 != about.files_sha256:
        raise PlanChanged("it is for other files")
    if statement.root_module != about.root_module:
        raise PlanChanged(f"it is for the root module {statement.root_module}")


def _signer(text: str, signature: str, signers: Path) -> str:
    """The principal whose key signed the text. Raises ApprovalMissing when it is none that is allowed, or the text is another."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sig"
        file.write_text(signature)
        found = _ssh_keygen("-Y", "find-principals", "-f", str(signers), "-s", str(file))
        principal = found.stdout.strip().splitlines()[0] if found.returncode == 0 and found.stdout.strip() else ""
        if not principal:
            raise ApprovalMissing("its key is none of the allowed signers", [])
        done = _ssh_keygen("-Y", "verify", "-f", str(signers), "-I", principal, "-n", NAMESPACE, "-s", str(file), stdin=text)
        if done.returncode:
            raise ApprovalMissing(f"the signature of {principal} does not hold for it", [])
    return principal


def _ssh_keygen(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["ssh-keygen", *arguments], input=stdin, text=True, capture_output=True, check=False)
    except FileNotFoundError as problem:
        raise UsageError("signed approvals need ssh-keygen", hint="Install OpenSSH.") from problem


def require(rules: ApprovalRules, approvals: Approvals, root_module: str, workspace: str) -> None:
    """Raise Refused where the agent may not change anything, ApprovalMissing where a protected root module lacks signatures."""
    if rules.autonomy == Autonomy.READ_ONLY:
        raise Refused("guard.autonomy is read-only: nothing is applied here", hint="Save the plan with `iacagent plan -out FILE`.")
    if not rules.protects(root_module, workspace):
        return
    lacking = rules.people - len(approvals.people)
    if lacking > 0:
        why = f" ({'; '.join(approvals.refused)})" if approvals.refused else ""
        signed = f", signed by {', '.join(sorted(approvals.people))}" if approvals.people else ""
        raise ApprovalMissing(
            f"{root_module} is protected: {lacking} more signature(s) are needed by people who did not ask for the plan{signed}{why}",
            [],
            hint="Save the plan with `iacagent plan -out FILE`, have it signed with `iacagent approve FILE --key KEY`, then apply FILE.",
        )


def _person(principal: str) -> str:
    return principal.split("@")[0].strip().lower()


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
