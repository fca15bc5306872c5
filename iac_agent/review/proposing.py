"""Pull requests from drift: one for each root module, with what was taken over, who did it, and the proof; closed when it is void."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iac_agent.agent.git import Git
from iac_agent.drift.finding import Finding
from iac_agent.drift.wording import cause_text, difference_text
from iac_agent.reconcile.prove import Settled
from iac_agent.review.comment import code, plain
from iac_agent.review.forges import Forge
from iac_agent.review.source import Source

PREFIX = "iacagent/drift/"


@dataclass(frozen=True)
class Proposing:
    """Where the drift of one root module is proposed: the branch of ours, and the one that it goes into."""

    forge: Forge
    source: Source
    root_module: str
    into: str

    @property
    def branch(self) -> str:
        return PREFIX + self.root_module.strip("./").replace("/", "-") if self.root_module.strip("./") else f"{PREFIX}root"

    def begin(self) -> None:
        """Have the branch here as it is on the forge, so that commits of others are seen."""
        self.source.pull(self.branch)

    def publish(self, settled: Sequence[Settled], *, complete: bool) -> str:
        """Open, update or close the pull request by what was settled; what was done, in a sentence. `complete`: everything was looked at.

        It is void when nothing is proposed, nothing failed to be, and everything was looked at. Raises ForgeFailed, GitFailed.
        """
        proposed = [s.finding for s in settled if s.outcome == "proposed"]
        if not proposed:
            number = self.forge.proposed(self.branch)
            if number is None:
                return "no pull request is open, and none is needed"
            failed = [s for s in settled if s.outcome in ("failed", "refused")]
            if failed or not complete:
                why = failed[0].detail if failed else "not everything could be looked at"
                return f"pull request {number} is left as it is: {why}"
            self.forge.withdraw(number, "What this pull request took over does not drift any more, so it is closed.")
            self.source.drop(self.branch)
            return f"pull request {number} is closed: it is void"
        self.source.push(self.branch, Git(self.source.directory).told("rev-parse", f"refs/heads/{self.branch}"))
        number = self.forge.propose(self.branch, self.into, self._title(proposed), self._body(proposed, settled))
        return f"pull request {number} takes over {len(proposed)} finding(s)"

    def _title(self, findings: Sequence[Finding]) -> str:
        count = len(findings)
        what = findings[0].address or findings[0].name
        return f"Take over drift in {self.root_module}: {what if count == 1 else f'{count} resources'}"[:240]

    def _body(self, proposed: Sequence[Finding], settled: Sequence[Settled]) -> str:
        lines = [
            f"Somebody changed these resources of {code(self.root_module)} without Terraform. This takes what they are now over into the",
            "configuration. Merging it changes nothing in Azure; closing it leaves the drift, and the next apply would take it back.",
            "",
        ]
        for finding in proposed:
            lines.append(f"- **{finding.kind}** {code(finding.subject)} ({finding.severity}); {code(cause_text(finding))}")
            lines += [f"  - {code(difference_text(d))}" for d in finding.differences]
            lines += [f"  - ⚠ {plain(finding.contested)}"] if finding.contested else []
        lines += ["", "**Proof**: with these edits Terraform plans no change to any of them.", ""]
        left = [s for s in settled if s.outcome not in ("proposed", "ignored") and not s.done]
        if left:
            lines += ["Not taken over:", ""]
            lines += [f"- {code(s.finding.subject)}: {plain(s.detail or s.outcome)}" for s in left]
        return "\n".join(lines) + "\n"
