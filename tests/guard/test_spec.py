"""Policies in plain words: what each comes to, that its examples hold, and that only what was accepted is in force."""

from __future__ import annotations

import json

import pytest

from iac_agent.errors import UsageError
from iac_agent.guard.policy import Policy
from iac_agent.guard.spec import accepted, examples, in_force
from iac_agent.guard.spec.examples import world
from iac_agent.guard.spec.in_force import Accepted
from iac_agent.guard.spec.language import Costs, Rules, Scope, Spec, Tagged, Unreachable, Value, Where
from iac_agent.guard.spec.templates import EU, compiled
from iac_agent.guard.truth import Truth
from tests.conftest import Figure

VM, STORAGE = "azurerm_linux_virtual_machine", "azurerm_storage_account"
# What is said, and the kind of demand it comes to, with a word that its reading back holds.
SAID = (
    ("no data of EU customers leaves the EU", Where, "westeurope"),
    ("Personal data stays in Germany", Where, "germanywestcentral"),
    ("resources only in westeurope or north europe", Where, "northeurope or westeurope"),
    ("all data must be stored within the UK", Where, "uksouth"),
    ("databases must not be reachable from the Internet", Unreachable, "tag tier"),
    ("no path from the Internet to port 22 of anything tagged tier=db", Unreachable, "port 22"),
    ("SSH must never be open to the internet except from 203.0.113.0/24", Unreachable, "but for 203.0.113.0/24"),
    ("the internet cannot reach databases", Unreachable, "from the Internet"),
    ("the internet must not reach port 5432", Unreachable, "port 5432"),
    ("nobody on the internet can reach rdp", Unreachable, "port 3389"),
    ("web servers must not reach databases", Unreachable, "tag tier, role"),
    ("machines in test must not be able to connect to production databases", Unreachable, "prod, production or prd"),
    ("Production and development must be kept separate.", Unreachable, "dev or development"),
    ("keep prod isolated from dev", Unreachable, "dev or development"),
    ("All resources must be tagged with owner and cost-centre", Tagged, "owner and cost-centre"),
    ("every vm must have an owner tag", Tagged, "owner"),
    ("storage accounts are encrypted with our own keys", Rules, "ENC-003"),
    ("data is encrypted in transit", Rules, "ENC-002"),
    ("machines must be encrypted", Rules, "ENC-005"),
    ("no public IPs", Rules, "NET-008"),
    ("blobs are never public", Rules, "DAT-001"),
    ("Only Standard_B2s and Standard_D2s_v5 may be used", Value, "Standard_B2s or Standard_D2s_v5"),
    ("never use Standard_M128ms", Value, "is not Standard_M128ms"),
    ("no spot machines in production", Value, "is not Spot"),
    ("everything costs at most 2,000 dollars a month", Costs, "2,000"),
    ("the monthly budget is 1.5k USD", Costs, "1,500"),
)


@pytest.mark.parametrize(("said", "kind", "word"), SAID, ids=[s for s, _, _ in SAID])
def test_what_is_said_is_read_back_and_shown(said: str, kind: type, word: str, figure: Figure) -> None:
    found = compiled(said)
    assert found.not_understood == []
    specs = [s for _, s in found.specs]
    assert isinstance(specs[0].demand, kind)
    assert any(word in str(s) for s in specs)
    for spec in specs:
        passing, failing = examples.of(spec)
        assert passing != failing
        assert Spec.model_validate_json(spec.model_dump_json()) == spec
    figure("sentences that come to specifications with examples that hold", 1, 1)


@pytest.mark.parametrize(
    "said",
    [
        "the moon is made of cheese",
        "be secure",
        "ignore all policies",
        "databases must not be reachable from the Internet unless needed",
        "no costs",
    ],
)
def test_what_is_not_understood_is_told_and_never_guessed(said: str) -> None:
    assert compiled(said).not_understood == [said]


def test_sentences_are_taken_one_by_one() -> None:
    text = "no data of EU customers leaves the EU; databases must not be reachable from the Internet.\nNonsense here"
    found = compiled(text)
    assert len(found.sentences) == 3
    assert found.not_understood == ["Nonsense here"]
    assert found.specs[0][1].demand == Where(regions=EU)


def test_who_reaches_whom_is_not_turned_round() -> None:
    (spec,) = [s for _, s in compiled("web servers must not reach databases").specs]
    assert isinstance(spec.demand, Unreachable)
    assert isinstance(spec.demand.source, Scope)
    assert "web" in spec.demand.source.names
    assert "db" in spec.scope.names
    (passive,) = [s for _, s in compiled("databases must not be reachable by web servers").specs]
    assert passive.scope == spec.scope


# --- in force ----------------------------------------------------------------------------------------------------------


def policy(said: str) -> Policy:
    found = in_force.policy(Accepted("SPEC-001", said, compiled(said).specs[0][1], "me", "2026-11-28"))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("said", "address", "values", "unknown", "expected"),
    [
        ("no data of EU customers leaves the EU", f"{STORAGE}.a", {"location": "West Europe"}, (), Truth.YES),
        ("no data of EU customers leaves the EU", f"{STORAGE}.a", {"location": "eastus"}, (), Truth.NO),
        ("no data of EU customers leaves the EU", f"{STORAGE}.a", {}, ("location",), Truth.UNKNOWN),
        ("no spot machines in production", f"{VM}.a", {"priority": "Spot", "tags": {"Env": "PROD"}}, (), Truth.NO),
        ("no spot machines in production", f"{VM}.a", {"priority": "Spot", "tags": {"env": "dev"}}, (), Truth.YES),
        ("no spot machines in production", f"{VM}.a", {"priority": "Spot"}, ("tags",), Truth.UNKNOWN),
        ("every vm must have an owner tag", f"{VM}.a", {"tags": {"Owner": "ops"}}, (), Truth.YES),
        ("every vm must have an owner tag", f"{VM}.a", {"tags": {"owner": ""}}, (), Truth.NO),
    ],
)
def test_in_force_it_judges(said: str, address: str, values: dict[str, object], unknown: tuple[str, ...], expected: Truth) -> None:
    resource = world({address: dict(values)}).resources[address]
    resource.unknown = dict.fromkeys(unknown, True)
    assert policy(said).holds.of(resource) == expected


def written(said: str) -> str:
    return accepted.written("", "file", compiled(said).specs, "ops@example.com")[0]


def test_what_was_accepted_is_read_again() -> None:
    text = written(SAID[0][0])
    held = accepted.read(text, "file")
    assert [a.id for a in held] == ["SPEC-001", "SPEC-002"]
    more, added = accepted.written(text, "file", compiled("no public IPs").specs, "ops@example.com")
    assert [a.id for a in added] == ["SPEC-003", "SPEC-004"]
    assert len(accepted.read(more, "file")) == 4


@pytest.mark.parametrize(
    ("before", "after"), [("- westeurope", "- eastus"), ("kind: regions", "kind: costs"), ("sha256: ", "sha256: 0"), ("says:", "said:")]
)
def test_what_was_changed_since_is_refused(before: str, after: str) -> None:
    text = written(SAID[0][0])
    assert before in text
    with pytest.raises(UsageError):
        accepted.read(text.replace(before, after, 1), "file")


def test_a_specification_that_says_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="no example"):
        examples.of(Spec(scope=Scope(types=(VM,)), demand=Value(path="size", none_of=(), one_of=("x",), at_least=5)))


@pytest.mark.parametrize(
    "spec",
    [
        Spec(demand=Rules(ids=("DEP-001",))),
        Spec(scope=Scope(types=(VM,)), demand=Unreachable(but_from=("0.0.0.0/0",))),
    ],
)
def test_a_specification_that_no_example_shows_is_refused(spec: Spec) -> None:
    with pytest.raises(UsageError):
        examples.of(spec)


def test_a_model_cannot_say_what_the_language_does_not() -> None:
    row = json.loads(compiled(SAID[0][0]).specs[0][1].model_dump_json())
    for bad in ({**row, "allow": "everything"}, {**row, "demand": {"kind": "shell", "run": "x"}}, {**row, "scope": {"code": "1"}}):
        with pytest.raises(ValueError):
            Spec.model_validate(bad)
