"""`iacagent policy`: the guardrails on their own: list them, check a plan, compile plain words, prove what is reachable."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from iac_agent.cli.changes import terraform_inputs, with_document
from iac_agent.cli.main import SCHEMA_VERSION, Globals
from iac_agent.errors import ApprovalMissing, NeedsAnswer, UsageError

if TYPE_CHECKING:
    from iac_agent.guard.guard import Guard
    from iac_agent.guard.planned import World
    from iac_agent.guard.policy import Policy
    from iac_agent.guard.spec.language import Spec
    from iac_agent.hcl.configuration import Configuration
    from iac_agent.terraform.models import Plan


@click.group()
def policy() -> None:
    """Guardrails: what they are, what they find, and new ones in plain words."""


@policy.command(name="list")
@click.option("--pack", default="", help="Only the rules of one pack, as in NET.")
@click.pass_obj
def list_rules(options: Globals, pack: str) -> None:
    """List the rules in force here, and those that could be."""
    guard, every = _rules(options)
    in_force = {p.id for p in guard.checks.policies}
    shown = [p for p in every if not pack or p.pack == pack.upper()]
    if options.as_json:
        rows = [{**_described(p), "in_force": p.id in in_force} for p in shown]
        click.echo(json.dumps({"schema_version": SCHEMA_VERSION, "rules": rows}, indent=2))
        return
    for rule in shown:
        said = guard.checks.outcomes.get(rule.id) or guard.checks.outcomes.get(rule.pack) or str(rule.fails)
        click.echo(f"{rule.id:<9} {said if rule.id in in_force else 'optional':<9} {rule.severity:<9} {rule.title}")


@policy.command()
@click.argument("rule_id", metavar="RULE")
@click.pass_obj
def show(options: Globals, rule_id: str) -> None:
    """Show one rule: what it demands, why, and how to satisfy it."""
    found = next((p for p in _rules(options)[1] if p.id == rule_id.upper()), None)
    if found is None:
        raise UsageError(f"there is no rule {rule_id}", hint="List them with: iacagent policy list")
    if options.as_json:
        click.echo(json.dumps({"schema_version": SCHEMA_VERSION, **_described(found)}, indent=2))
        return
    click.echo(f"{found.id}  {found.title}\n")
    click.echo(f"demands   {found.holds}\non        {', '.join(found.types)}")
    click.echo(f"broken    {found.fails}; where it cannot be told: {found.unclear}; severity {found.severity}")
    click.echo(f"why       {found.why}\nfix       {found.fix}\nsource    {found.source}")


@policy.command()
@click.argument("plan_file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--new-only", is_flag=True, help="Only what the plan changes, not what is so already.")
@terraform_inputs
@click.pass_obj
def check(options: Globals, /, plan_file: Path | None, new_only: bool, **flags: Any) -> int:
    """Judge a root module by every rule; exit 3 when it is refused.

    PLAN_FILE is the JSON of `terraform show -json`; without it the root module is planned.
    """

    def work() -> int:
        from iac_agent.cli import render
        from iac_agent.guard.guard import require_allowed
        from iac_agent.guard.verdict import judge

        guard, _ = _rules(options)
        plan, configuration = _planned(options, plan_file, flags)
        bare = judge(plan, None, digest=plan.digest())
        verdict = guard.assess(bare, plan, configuration.root, configuration.given, whole=not new_only)
        if options.as_json:
            render.JsonReporter(options.document, options.directory).judged(verdict)
        else:
            reporter = render.ConsoleReporter(options.color, options.directory)
            reporter.findings(verdict)
            reporter.out.print(render.summary(verdict), markup=False)
        require_allowed(verdict)
        return 0

    return with_document(options, work)


@policy.command(name="compile")
@click.argument("text")
@click.option("--accept", is_flag=True, help="Put it in force without asking; the words of the person who runs this count.")
@click.pass_obj
def compile_words(options: Globals, text: str, accept: bool) -> int:
    """Turn plain words into specifications, read them back with examples, and put them in force once they are accepted.

    For example: iacagent policy compile "databases must not be reachable from the Internet"
    """

    def work() -> int:
        from iac_agent.agent.journal import replace_file
        from iac_agent.cli import rules
        from iac_agent.guard.spec import accepted, examples
        from iac_agent.store.audit import actor

        found = _compiled(options, text)
        options.document["specifications"] = []
        for said, spec in found:
            passing, failing = examples.of(spec)
            options.document["specifications"].append(
                {"says": said, "reads": str(spec), "spec": spec.model_dump(mode="json"), "passes": passing, "fails": failing}
            )
            if not options.as_json:
                click.echo(f"\n{said}\n  means: {spec}\n  passes: {passing}\n  fails: {failing}")
        file = rules.policies_file(options.directory)
        if not accept and (options.as_json or not sys.stdin.isatty()):
            raise ApprovalMissing(
                "nobody accepted it, so it is not in force", [], hint="Read it, then pass --accept, or answer at the prompt."
            )
        if not accept and not click.confirm(f"\nIs this what you mean? Then it is in force from now on ({file})", err=True):
            raise ApprovalMissing("it was not accepted, and is not in force", [], hint="Say it differently.")
        text_before = file.read_text("utf-8") if file.is_file() else ""
        text_after, added = accepted.written(text_before, str(file), found, actor())
        replace_file(file, text_after.encode())
        _record(options, added)
        options.document["accepted"] = [a.id for a in added]
        click.echo(f"In force: {', '.join(a.id for a in added)}, in {file}. Commit it.", err=True)
        return 0

    return with_document(options, work)


@policy.command()
@click.argument("question", required=False)
@click.option(
    "--plan", "plan_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="The JSON of `terraform show -json`."
)
@terraform_inputs
@click.pass_obj
def verify(options: Globals, /, question: str | None, plan_file: Path | None, **flags: Any) -> int:
    """Prove what is not reachable in the planned network, or show a packet that gets through; exit 3 when it does, 1 when it is unknown.

    Without QUESTION every accepted policy about the network is proved.
    For example: iacagent policy verify "no path from the Internet to port 22 of anything tagged tier=db"
    """

    def work() -> int:
        from iac_agent.cli import rules
        from iac_agent.guard.planned import World
        from iac_agent.guard.spec.language import Unreachable

        asked = _compiled(options, question) if question else [(a.says, a.spec) for a in rules.accepted_policies(options.directory)]
        about = [(said, spec) for said, spec in asked if isinstance(spec.demand, Unreachable)]
        if not about:
            raise UsageError(
                "there is nothing to prove", hint='For example: iacagent policy verify "no path from the Internet to port 22 of tier=db"'
            )
        plan, configuration = _planned(options, plan_file, flags)
        world = World.planned(plan, configuration)
        return max(_proved(options, said, spec, world) for said, spec in about)

    return with_document(options, work)


def _proved(options: Globals, said: str, spec: Spec, world: World) -> int:
    from iac_agent.guard.network.answer import Result
    from iac_agent.guard.spec import in_force

    answer = in_force.ask(spec, world)
    nobody = not answer.looked_at
    options.document.setdefault("proofs", []).append(
        {
            "says": said,
            "reads": str(spec),
            "result": str(answer.result),
            "endpoints": answer.looked_at,
            "packet": str(answer.packet) if answer.packet else None,
            "steps": list(answer.steps),
            "reasons": list(answer.reasons),
        }
    )
    if not options.as_json:
        click.echo(f"{said}\n{'nothing in this root module is meant by it' if nobody else answer}")
    return {Result.PROVED: 0, Result.REFUTED: 3, Result.UNKNOWN: 1}[answer.result]


@policy.command()
@click.option("--region", "regions", multiple=True, default=("westeurope", "northeurope", "eastus"), show_default=True)
@click.option("--url", default="", help="Another address of the retail prices API.")
@click.pass_obj
def prices(options: Globals, regions: tuple[str, ...], url: str) -> int:
    """Fetch the price list of some regions; it is used instead of the one that is shipped."""

    def work() -> int:
        from datetime import UTC, datetime

        from iac_agent.agent.journal import replace_file
        from iac_agent.cli import rules
        from iac_agent.guard.cost import prices as price_lists

        text = price_lists.fetch(_get, regions, datetime.now(UTC).date().isoformat(), url or price_lists.URL)
        count = len(price_lists.PriceList.read(text).items)
        folder = rules.price_cache()
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / "prices.json", text.encode())
        click.echo(f"{count} prices in {folder / 'prices.json'}", err=True)
        return 0

    return with_document(options, work)


def _get(url: str) -> bytes:
    """Read a URL. Raises UsageError when the server cannot be reached, or says no."""
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return bytes(answer.read())
    except (urllib.error.URLError, OSError, ValueError) as problem:
        raise UsageError(f"the price list cannot be fetched: {problem}", hint="The one that is shipped is used as before.") from problem


# --- what they share ---------------------------------------------------------------------------------------------------


def _rules(options: Globals) -> tuple[Guard, list[Policy]]:
    """The guard here, and every rule there is."""
    from iac_agent.cli import config, rules
    from iac_agent.guard.policies import shipped

    settings = config.load(options.directory, options.config)
    guard = rules.guard(settings.guard, options.directory)
    held = {p.id: p for p in (*shipped(), *guard.checks.policies)}
    return guard, list(held.values())


def _described(rule: Policy) -> dict[str, Any]:
    return {
        "id": rule.id,
        "title": rule.title,
        "pack": rule.pack,
        "types": list(rule.types),
        "demands": str(rule.holds),
        "severity": str(rule.severity),
        "broken": str(rule.fails),
        "unclear": str(rule.unclear),
        "optional": rule.optional,
        "why": rule.why,
        "fix": rule.fix,
        "source": rule.source,
    }


def _planned(options: Globals, file: Path | None, flags: dict[str, Any]) -> tuple[Plan, Configuration]:
    """The plan of the root module, or the one of a file, and its configuration. Raises what Terraform raises."""
    import tempfile

    from iac_agent.cli import config, rules, wiring
    from iac_agent.errors import NotInitialised
    from iac_agent.hcl.configuration import Configuration
    from iac_agent.hcl.module import RootModule
    from iac_agent.terraform.models import Plan

    settings = config.load(options.directory, options.config)
    request = wiring.Request(flags["variables"], flags["var_files"], flags["lock_timeout"], flags["parallelism"])
    runner, _ = wiring.terraform(options.directory, settings, request)
    root = RootModule(options.directory)
    configuration = Configuration(root, wiring.given(runner))
    rules.guard(settings.guard, options.directory).require(root)
    if file is not None:
        try:
            return Plan.model_validate_json(file.read_text("utf-8")), configuration
        except ValueError as problem:
            raise UsageError(
                f"{file} is no plan: {str(problem).splitlines()[0]}", hint="Make one with: terraform show -json PLAN"
            ) from problem
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "check.tfplan"
        try:
            runner.plan(out, lambda _: None)
        except NotInitialised:
            runner.init(lambda _: None)
            runner.plan(out, lambda _: None)
        return runner.show_plan(out), configuration


def _compiled(options: Globals, text: str) -> list[tuple[str, Spec]]:
    """The specifications of a text, by templates, and by the model where there is one. Raises NeedsAnswer for what is not understood."""
    from iac_agent.guard.spec.templates import compiled

    found = compiled(text)
    specs = found.specs
    if found.not_understood:
        specs += _by_model(options, found.not_understood)
    return specs


def _by_model(options: Globals, sentences: list[str]) -> list[tuple[str, Spec]]:
    import os

    from iac_agent.agent.policy_compiler import compiled
    from iac_agent.cli import config, wiring

    client = wiring.model_client(config.load(options.directory, options.config), os.environ)
    if client is None:
        raise NeedsAnswer(
            f"this is not understood: {sentences[0]!r}. Say it as one sentence about regions, reachability, encryption, tags, sizes or a "
            "budget, or configure planner.model",
            [],
        )
    return [(said, spec) for said in sentences for spec in compiled(client, said)]


def _record(options: Globals, added: list[Any]) -> None:
    from iac_agent.store.audit import Audit
    from iac_agent.store.home import Home

    trail = Audit(Home(options.directory).database_url)
    for one in added:
        trail.append(one.id, "policy", {"accepted": one.id, "says": one.says, "reads": str(one.spec), "sha256": one.spec.digest()})
