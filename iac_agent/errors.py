"""Everything that can go wrong, as one tree, so that callers catch by meaning and messages are written in one voice.

IacAgentError
├── UsageError                  the command line or the configuration is wrong            exit 1
├── HclError
│   ├── HclSyntaxError          a file does not parse
│   ├── UnknownAddress          nothing in the configuration has this address
│   ├── AmbiguousAddress        several things do
│   ├── ValueElsewhere          the value is not written where it is used
│   ├── NotEditable             JSON syntax, dynamic blocks, remote modules
│   └── EditRejected            an edit did not survive its own checks
├── TerraformError
│   ├── TerraformNotFound       no terraform or tofu to run
│   ├── TerraformFailed         it ran and reported diagnostics
│   │   ├── NotInitialised      terraform init has to run first
│   │   ├── StateLocked         somebody else holds the state lock
│   │   ├── StalePlan           state moved on since the plan was made
│   │   └── AlreadyExists       the resource is live but not in state
│   ├── NotLockable             the backend has no lock that could be taken
│   └── Interrupted             stopped on request                                       exit 130
├── AzureError
│   ├── CredentialsMissing      nothing to sign in with
│   ├── AzureNotFound           404: the resource is not there
│   ├── AzureDenied             401 or 403: could not read, which is not the same as absent
│   ├── AzureThrottled          429 after every retry
│   └── AzureRejected           any other answer of 400 and above, with ARM's code
├── MonitorError
│   ├── UnknownMetric           the resource has no such metric
│   ├── NoTelemetry             nothing was measured: not applied yet, not enabled, before it was created
│   └── OperationFailed         an operation was refused by Azure, or did not reach its state
├── PlannerError
│   ├── ModelFailed             the model server did not answer, or not usefully
│   ├── NeedsAnswer             the request is ambiguous                                 exit 4
│   └── OutOfReach              the planner cannot do this                               exit 3
├── Refused                     a guardrail or a missing approval                        exit 3
│   ├── GateRefused             what would run at plan time, or be edited, is not allowed
│   ├── PolicyRefused           the plan breaks a policy or a budget
│   ├── ApprovalMissing         a change nobody approved
│   ├── Surplus                 the plan changes more than the request asked for
│   └── PlanChanged             the plan is not the one that was approved
├── RunError
│   ├── RunBusy                 another run holds this root module
│   ├── FilesChanged            the user's files moved under an unfinished run
│   ├── NotVerified             applied, but the proof failed
│   ├── GitFailed               git could not commit the edits to a branch
│   ├── NotifyFailed            nobody could be told of the findings
│   └── NoSpace                 the local disk is full or cannot be written
├── ForgeFailed                 GitHub, GitLab or Azure DevOps refused, or did not answer
├── AuditBroken                 the hash chain of the audit does not verify
└── GymError                    the local Azure could not start, stop or answer
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


class IacAgentError(Exception):
    """Base of all errors. `exit_code` is what the command line returns; `hint` says what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def kind(self) -> str:
        return type(self).__name__


class UsageError(IacAgentError):
    """The command line or the configuration file is wrong."""


# --- hcl ---------------------------------------------------------------------------------------------------------


class HclError(IacAgentError):
    """Something about the user's configuration files."""


class HclSyntaxError(HclError):
    """A file does not parse. `path` and `line` (1-based) say where."""

    def __init__(self, path: Path | str, line: int, detail: str) -> None:
        super().__init__(f"{path}:{line}: {detail}", hint="Run `terraform fmt` or `terraform validate` to see the mistake.")
        self.path, self.line = path, line


class UnknownAddress(HclError):
    """Nothing in the configuration has this address. `nearest` lists what comes close."""

    def __init__(self, address: str, nearest: list[str], where: str = "the configuration") -> None:
        hint = f"Nearest: {', '.join(nearest)}." if nearest else ""
        super().__init__(f"{address} is not in {where}", hint=hint)
        self.address, self.nearest = address, nearest


class AmbiguousAddress(HclError):
    """Several blocks answer to one address."""

    def __init__(self, address: str, places: list[str]) -> None:
        super().__init__(f"{address} is ambiguous: {', '.join(places)}", hint="Give an index, as in security_rule[0].")
        self.address, self.places = address, places


class ValueElsewhere(HclError):
    """The value is an expression; changing it here would overwrite it blindly. `origin` says where it comes from."""

    def __init__(self, where: str, target: str, expression: str, origin: list[str]) -> None:
        chain = " ← ".join(origin) if origin else "an expression"
        super().__init__(
            f"{where}: {target} is not a literal here: {expression} (written at {chain})",
            hint="Change the value where it is written.",
        )
        self.where, self.target, self.expression, self.origin = where, target, expression, origin


class NotEditable(HclError):
    """The place exists but this tool does not edit it: JSON syntax, dynamic blocks, modules outside the repository."""


class EditRejected(HclError):
    """An edit did not survive its checks; nothing was written."""


# --- terraform ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Diagnostic:
    """One diagnostic of Terraform (`terraform plan -json`): severity, text, and where it points."""

    severity: str
    summary: str
    detail: str = ""
    address: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file else ""
        about = f" ({self.address})" if self.address else ""
        detail = f": {self.detail.strip()}" if self.detail.strip() else ""
        return f"{place}{self.summary}{about}{detail}"


class TerraformError(IacAgentError):
    """Something about running Terraform."""


class TerraformNotFound(TerraformError):
    """No terraform or tofu to run."""


class TerraformFailed(TerraformError):
    """Terraform ran and failed. Holds the command, its exit code and the diagnostics."""

    default_hint = ""

    def __init__(self, command: str, returncode: int, diagnostics: list[Diagnostic], output: str = "") -> None:
        text = "; ".join(str(d) for d in diagnostics) or output.strip()[-2000:] or "no output"
        super().__init__(f"terraform {command} failed: {text}", hint=self.default_hint)
        self.command, self.returncode, self.diagnostics, self.output = command, returncode, diagnostics, output

    @property
    def address(self) -> str:
        return next((d.address for d in self.diagnostics if d.address), "")


class NotInitialised(TerraformFailed):
    """Providers, modules or the backend are not installed in this directory."""

    default_hint = "Run `terraform init`."


class StateLocked(TerraformFailed):
    """Somebody else holds the state lock."""

    default_hint = "Wait for them, or pass -lock-timeout=60s."


class StalePlan(TerraformFailed):
    """The state moved on since the plan was made."""

    default_hint = "Plan again."


class AlreadyExists(TerraformFailed):
    """The resource is live in Azure but not in state."""

    default_hint = "Import it, or remove it from Azure."


class NotLockable(TerraformError):
    """The backend has no lock, or none that could be taken."""


class Interrupted(TerraformError):
    """Stopped on request."""

    exit_code = 130


# --- azure -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ArmFault:
    """What ARM answered: status, code and message of the error body, and the request it answers."""

    status: int
    code: str
    message: str
    target: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class AzureError(IacAgentError):
    """Azure answered with an error, or could not be reached."""

    def __init__(self, message: str, fault: ArmFault | None = None, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.fault = fault


class CredentialsMissing(AzureError):
    """Nothing to sign in with, or the sign-in was refused."""


class AzureNotFound(AzureError):
    """404: the resource is not there."""


class AzureDenied(AzureError):
    """401 or 403: could not read, which is not the same as absent."""


class AzureThrottled(AzureError):
    """429 after every retry."""


class AzureRejected(AzureError):
    """Any other answer of 400 and above."""


# --- monitor and operations ---------------------------------------------------------------------------------------


class MonitorError(IacAgentError):
    """A question about run time could not be answered, or an operation not be done."""


class UnknownMetric(MonitorError):
    """The resource has no metric of that name; `nearest` are some that it has."""

    def __init__(self, message: str, nearest: list[str], *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.nearest = nearest


class NoTelemetry(MonitorError):
    """There is nothing to tell: the resource is not applied yet, boot diagnostics are off, nothing was measured."""


class OperationFailed(MonitorError):
    """Azure refused an operation on a live resource, or the state it should have reached was not reached."""


# --- planner, guard, agent -----------------------------------------------------------------------------------------


class PlannerError(IacAgentError):
    """The request could not be turned into edits."""


class NeedsAnswer(PlannerError):
    """The request is ambiguous; `candidates` are the answers that would settle it."""

    exit_code = 4

    def __init__(self, question: str, candidates: list[str]) -> None:
        super().__init__(question, hint="Answer with --answer ANSWER." if candidates else "")
        self.candidates = candidates


class ModelFailed(PlannerError):
    """The model server could not be used: unreachable, refused the key, too slow, or answered nonsense to the end."""


class OutOfReach(PlannerError):
    """The planner cannot do this; the message says what it can do."""

    exit_code = 3


class Refused(IacAgentError):
    """A guardrail said no, or an approval is missing."""

    exit_code = 3


class GateRefused(Refused):
    """Something in the configuration would run code at plan time."""


class PolicyRefused(Refused):
    """The plan breaks policies, or a budget; `rules` are their ids."""

    def __init__(self, message: str, rules: list[str], *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.rules = rules


class ApprovalMissing(Refused):
    """A change that nobody approved. `addresses` need approval by name."""

    def __init__(self, message: str, addresses: list[str], *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.addresses = addresses


class Surplus(Refused):
    """The plan changes what the request did not ask for."""


class PlanChanged(Refused):
    """The plan is not the one that was judged and approved."""


class RunError(IacAgentError):
    """Something about a run of the agent itself."""


class RunBusy(RunError):
    """Another run holds this root module."""


class FilesChanged(RunError):
    """The user's files moved under an unfinished run; nothing was overwritten."""


class NotVerified(RunError):
    """The change was applied, but the proof afterwards failed."""


class GitFailed(RunError):
    """git could not do what committing to a branch needs."""


class NotifyFailed(RunError):
    """A webhook or a mail server did not take the findings."""


class NoSpace(RunError):
    """The local disk is full, or cannot be written."""


class ForgeFailed(IacAgentError):
    """A forge refused a request, or did not answer. `status` is that of HTTP; 0 where there was no answer."""

    def __init__(self, message: str, status: int = 0, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


class AuditBroken(IacAgentError):
    """The hash chain of the audit does not verify."""


class GymError(IacAgentError):
    """The local Azure could not start, stop or answer."""
