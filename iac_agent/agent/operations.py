"""Operations that Terraform has no word for: start, stop (deallocate), restart, redeploy, run a command.

They go through the SDK while we hold the lock that Terraform takes, are judged and approved before and verified after, and leave no drift:
nothing of them is in HCL. Source: Microsoft.Compute 2024-03-01 (start, deallocate, restart, redeploy, runCommand).
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from iac_agent.agent import journal, lock
from iac_agent.agent.report import Approver, Proof, Reporter
from iac_agent.azure.clients import AzureClients, translated
from iac_agent.azure.ids import ResourceId
from iac_agent.azure.lenses.table import Body
from iac_agent.errors import ApprovalMissing, AzureError, IacAgentError, NeedsAnswer, OperationFailed, OutOfReach, Refused
from iac_agent.guard import approval, redact
from iac_agent.guard.approval import UNSIGNED, ApprovalRules, Autonomy
from iac_agent.monitor.health import agent_status, power_state
from iac_agent.monitor.questions import OPERATION
from iac_agent.planner import refusals
from iac_agent.planner.inventory import MACHINES, Inventory, Resource
from iac_agent.planner.protocol import Question
from iac_agent.planner.selection import Selector
from iac_agent.planner.splitting import wishes
from iac_agent.store.audit import Audit, Record
from iac_agent.store.home import Home
from iac_agent.terraform import state_lock
from iac_agent.terraform.runner import Terraform

_API = "2024-03-01"
_SETTLES, _BOOTS, _EVERY = 120.0, 10.0, 1.0
_FOR_GOOD = re.compile(r"\b(?:for good|permanently|for ?ever|once and for all|never again|indefinitely)\b", re.IGNORECASE)
_ORDINARY = frozenset(
    str.split(
        """
    a all again an and another any app at azure back both box boxes can cluster database db down each every fleet for group host hosts in
    instance instances it its just kindly machine machines my named called node nodes now of off on one our out please role server servers
    tag tagged the their them these they this those three tier to two up us virtual vm vms we with you four five
    """
    )
)
_VERBS = {
    "restart": r"restart|reboot|bounce|power[- ]?cycle",
    "redeploy": r"redeploy",
    "run-command": r"run\b.*(?:command|script)",
    "stop": r"stop|shut ?down|power[- ]?(?:off|down)|(?:turn|switch) off|deallocate",
    "start": r"start|power[- ]?on|(?:turn|switch) on|boot",
}


@dataclass(frozen=True)
class Operation:
    """A verb on machines. `script` are the lines of a run-command."""

    verb: str
    machines: tuple[Resource, ...]
    script: tuple[str, ...] = ()

    @property
    def interrupts(self) -> bool:
        """Whether service is interrupted, or may be: a command can do anything."""
        return self.verb != "start"

    @property
    def reaches(self) -> str:
        """The power state afterwards."""
        return "deallocated" if self.verb == "stop" else "running"

    def describe(self) -> str:
        return f"{self.verb} {', '.join(m.address for m in self.machines)}"


@dataclass
class Operator:
    """Carries operations out on one root module. `approve` is what the command line already allows: everything, or addresses by name."""

    home: Home
    terraform: Terraform
    inventory: Inventory
    clients: AzureClients
    audit: Audit
    reporter: Reporter
    approver: Approver
    approval: ApprovalRules
    place: str = "."
    workspace: str = "default"
    auto_approve: bool = False
    allow_run: frozenset[str] = frozenset()
    answer: str = ""
    records: list[Record] = field(default_factory=list)

    @functools.cached_property
    def selector(self) -> Selector:
        return Selector(self.inventory)

    # --- understanding ---------------------------------------------------------------------------------------------

    def understood(self, request: str) -> Operation:
        """The operation a request asks for. Raises NeedsAnswer where it is not clear, OutOfReach for what it cannot be."""
        harmful = refusals.refused(request, operations=True)
        if harmful is not None:
            raise OutOfReach(harmful.reason)
        match = OPERATION.match(request)
        if match is None:
            raise OutOfReach(f"{request!r} is no operation", hint="There are start, stop, restart, redeploy and run-command.")
        verb = next(v for v, pattern in _VERBS.items() if re.match(pattern, request[match.start("verb") :], re.IGNORECASE))
        others = [w.text for w in wishes(request) if not OPERATION.match(w.text) and re.match(r"\w+", w.text)]
        if len(wishes(request)) > 1 and any(
            re.match(r"(?:resize|tag|add|make|attach|remove|open|set|enable)\b", o, re.IGNORECASE) for o in others
        ):
            raise NeedsAnswer(f"{others[0]!r} changes the configuration, the rest is an operation. Ask for them one after the other.", [])
        waits = refusals.unclear(request)
        if isinstance(waits, Question) and "wait" in waits.text:
            raise NeedsAnswer(waits.text, [])
        script: tuple[str, ...] = ()
        if verb == "run-command":
            request, script = _script(request)
        if _FOR_GOOD.search(request) and verb == "stop":
            self._ask_for_good(request)
        said = _FOR_GOOD.sub(" ", request)
        self._require_all_understood(verb, said)
        return Operation(verb, self.meant(said), script)

    def _require_all_understood(self, verb: str, text: str) -> None:
        """Raise NeedsAnswer for a word that is neither a machine nor ordinary: `stop nginx on db` does not mean the machine."""
        match = OPERATION.match(text)
        rest = " " * match.end("verb") + text[match.end("verb") :] if match else text
        for mention in self.selector.names.mentions(rest):
            if any(self.selector.meant(mention, MACHINES)):
                rest = rest[: mention.start] + " " * (mention.end - mention.start) + rest[mention.end :]
        strange = [w for w in re.findall(r"[A-Za-z][\w-]*", rest) if w.lower() not in _ORDINARY]
        if strange:
            hint = "" if verb == "run-command" else " What runs inside a machine: run command `...` on it."
            raise NeedsAnswer(f"To {verb} means machines. What does {strange[0]!r} ask for?{hint}", [])

    def _ask_for_good(self, request: str) -> None:
        if self.answer.strip().lower().startswith("stop"):
            self.answer = ""
            return
        raise NeedsAnswer(
            "For good: should it be stopped and stay in the configuration, or be removed from it (and destroyed)?",
            ["stop: deallocate it now; it stays in the configuration", f'remove: iacagent apply "{_removal(request)}"'],
        )

    def meant(self, text: str) -> tuple[Resource, ...]:
        """The machines that a text means; several only when it says so. Raises NeedsAnswer, OutOfReach."""
        chosen = self.selector.select(text, MACHINES, self.answer)
        if chosen is None:
            raise OutOfReach("there is no machine in this root module")
        if isinstance(chosen, Question):
            raise NeedsAnswer(chosen.text, chosen.listed)
        lost = [r.address for r in chosen.resources if r.state is None]
        if lost:
            raise OutOfReach(f"{', '.join(lost)} is not in the state: there is nothing to operate on yet")
        return chosen.resources

    # --- carrying out ----------------------------------------------------------------------------------------------

    def run(self, operation: Operation, request: str) -> list[Proof]:
        """Judge, approve, do, verify and record. Raises ApprovalMissing, OperationFailed, and what the locks raise."""
        timeout = self.terraform.inputs.lock_timeout
        with lock.held(self.home, operation.describe(), timeout):
            run = journal.new_run(self.home, redact.text(request))
            self._record(run.id, "request", {"request": run.request, "operation": operation.verb})
            try:
                self._judge(run.id, operation)
                with state_lock.held(self.terraform, timeout):
                    return self._done(run.id, operation)
            except IacAgentError as problem:
                kind = "refused" if isinstance(problem, Refused) else "stopped"
                self._record(run.id, kind, {"error": problem.kind, "message": redact.text(problem.message)})
                raise
            finally:
                run.save(status="done")

    def _judge(self, run: str, operation: Operation) -> None:
        """The verdict, and the approval that it needs."""
        addresses = [m.address for m in operation.machines]
        self.reporter.note(f"{operation.describe()}: {_EFFECTS[operation.verb]}")
        self._record(run, "verdict", {"operation": operation.verb, "addresses": addresses, "interrupts": operation.interrupts})
        approval.require(self.approval, UNSIGNED, self.place, self.workspace)
        if operation.verb == "run-command":
            named = self.allow_run if self.approval.autonomy == Autonomy.NAMED else frozenset()
            unnamed = [a for a in addresses if a not in named and not self.approver.name(a, "run", ())]
            if unnamed:
                raise ApprovalMissing(
                    f"approval by name is missing for a command on {', '.join(unnamed)}",
                    unnamed,
                    hint=" ".join(f"--allow-run '{a}'" for a in unnamed),
                )
        elif (
            operation.interrupts
            and not self.auto_approve
            and not self.approver.confirm(f"{operation.describe()} interrupts service. Do it?")
        ):
            raise ApprovalMissing(
                f"{operation.describe()} interrupts service, and nobody approved it",
                [],
                hint="Pass --auto-approve, or answer at the prompt.",
            )
        how = "by address" if operation.verb == "run-command" else "in general" if operation.interrupts else "not needed"
        self._record(run, "approval", {"addresses": addresses, "how": how})
        self.reporter.approved(addresses, how)

    def _done(self, run: str, operation: Operation) -> list[Proof]:
        """Begin on all machines, wait for all, verify each; one that fails does not keep the others from being told."""
        self._record(run, "operating", {"operation": operation.verb, "addresses": [m.address for m in operation.machines]})
        begun: list[tuple[Resource, Any]] = []
        proofs: list[Proof] = []
        for machine in operation.machines:
            try:
                begun.append((machine, self._begin(operation, machine)))
            except AzureError as problem:
                proofs.append(Proof(f"{operation.verb} {machine.address}", problem.message, False))
        for machine, poller in begun:
            try:
                proofs += self._finished(operation, machine, poller)
            except AzureError as problem:
                proofs.append(Proof(f"{operation.verb} {machine.address}", problem.message, False))
        results = [{**p.as_json(), "found": redact.text(p.found)} for p in proofs]
        self._record(run, "operation", {"operation": operation.verb, "results": results})
        self.reporter.proven(proofs)
        self.reporter.recorded(self.records)
        bad = [p for p in proofs if p.holds is False]
        if bad:
            raise OperationFailed("; ".join(f"{p.what}: {p.found}" for p in bad), hint="Look with: iacagent monitor health")
        return proofs

    def _finished(self, operation: Operation, machine: Resource, poller: Any) -> list[Proof]:
        """What came of it on one machine: its power state, its output, and whether its guest answers. Raises AzureError."""
        with translated(f"{operation.verb} {machine.azure_name}"):
            outcome = poller.result()
        power = self._verified(operation, machine)
        if operation.verb == "run-command":
            return [_output(machine, outcome), power]
        return [power] if operation.verb == "stop" or power.holds is False else [power, self._answers(machine)]

    def _answers(self, machine: Resource) -> Proof:
        """Whether the agent of a machine that was started is ready within a while; it may take longer, and the boot may have failed."""
        view = self._awaited(machine, lambda v: agent_status(v) == "Ready", _BOOTS)
        status = agent_status(view) or "no status"
        if status == "Ready":
            return Proof(f"{machine.address} answers", "VM agent Ready", True)
        return Proof(f"{machine.address} answers", f"VM agent {status}: it may still boot; iacagent monitor boot-log tells", None)

    def _begin(self, operation: Operation, machine: Resource) -> Any:
        rid = ResourceId.parse(_id(machine))
        service = self.clients.compute.virtual_machines
        calls: dict[str, Callable[..., Any]] = {
            "start": service.begin_start,
            "stop": service.begin_deallocate,
            "restart": service.begin_restart,
            "redeploy": service.begin_redeploy,
        }
        with translated(f"{operation.verb} {rid.name}"):
            if operation.verb == "run-command":
                from azure.mgmt.compute.models import RunCommandInput

                body = RunCommandInput(command_id=_command_id(machine), script=list(operation.script))
                return service.begin_run_command(rid.resource_group, rid.name, body)
            return calls[operation.verb](rid.resource_group, rid.name)

    def _verified(self, operation: Operation, machine: Resource) -> Proof:
        """The power state, read from Azure until it is what it should be, for two minutes at most."""
        found = power_state(self._awaited(machine, lambda v: power_state(v) == operation.reaches, _SETTLES))
        return Proof(f"{machine.address} is {operation.reaches}", f"VM {found}", found == operation.reaches)

    def _awaited(self, machine: Resource, reached: Callable[[Body], bool], seconds: float) -> Body:
        """The instance view, read again until it is as it should be, or the seconds are over."""
        deadline = time.monotonic() + seconds
        while True:
            view = self.clients.get(f"{_id(machine)}/instanceView", _API) or {}
            if reached(view) or time.monotonic() > deadline:
                return view
            time.sleep(_EVERY)

    def _record(self, run: str, kind: str, body: dict[str, Any]) -> None:
        self.records.append(self.audit.append(run, kind, body))


_EFFECTS = {
    "start": "interrupts nothing; its cores are billed again",
    "stop": "interrupts its service; its cores are no longer billed, a dynamic public address is lost",
    "restart": "interrupts its service for a few minutes",
    "redeploy": "interrupts its service: it moves to another host, and its temporary disk is lost",
    "run-command": "runs with the rights of the administrator in the guest",
}


def is_operation(request: str) -> bool:
    """Whether a request asks for an operation rather than for a change of the configuration."""
    return OPERATION.match(" ".join(request.split())) is not None


def _script(request: str) -> tuple[str, tuple[str, ...]]:
    """The request without the script in it, and the script: what stands in quotes or behind a colon. Raises NeedsAnswer."""
    quoted = re.search(r"`([^`]+)`|\"([^\"]+)\"|'([^']+)'", request)
    if quoted is None:
        raise NeedsAnswer("Which command? Put it in quotes: run command `systemctl status nginx` on web-1.", [])
    line = next(g for g in quoted.groups() if g is not None)
    return request[: quoted.start()] + " " + request[quoted.end() :], (line,)


def _removal(request: str) -> str:
    match = OPERATION.match(request)
    rest = request[match.end("verb") :] if match else request
    return f"remove {_FOR_GOOD.sub('', rest).strip()}"


def _output(machine: Resource, outcome: Any) -> Proof:
    """What a command printed; what it printed on stderr may be an error or not."""
    text = "\n".join(str(v.message) for v in getattr(outcome, "value", None) or [])
    clean = bool(text) and not text.partition("[stderr]")[2].strip()
    return Proof(f"command on {machine.address}", redact.text(text), True if clean else None)


def _command_id(machine: Resource) -> str:
    return "RunPowerShellScript" if "windows" in machine.type else "RunShellScript"


def _id(machine: Resource) -> str:
    return str(machine.state.values["id"]) if machine.state else ""
