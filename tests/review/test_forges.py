"""The same pull request on every forge, by the unmodified client of each, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iac_agent.cli import review_wiring
from iac_agent.errors import ForgeFailed
from iac_agent.gym.daemon import Gym
from tests.review.stage import FORGES, Stage, raised
from tests.review.test_bot import STORE, machine, size


@pytest.fixture(params=["gitlab", "azure-devops"])
def staged(request: pytest.FixtureRequest, tmp_path: Path, gym: Gym, built: Path) -> Iterator[Stage]:
    """What test_bot.py plays on GitHub, on the others."""
    with raised(tmp_path, gym, request.param, built) as made:
        yield made


def test_review_approval_and_apply(staged: Stage) -> None:
    size(staged)
    pull = staged.pull()
    comment = staged.review(pull)
    staged.review(pull)
    status = staged.forge.statuses[-1]
    early = staged.command(pull, "ann", "/iacagent apply")
    staged.forge.approve(pull, "eve")
    staged.forge.approve(pull, "ann")
    own = staged.command(pull, "ann", "/iacagent apply")
    staged.forge.approve(pull, "ben")
    stranger = staged.command(pull, "eve", "/iacagent apply")
    answer = staged.command(pull, "ann", "/iacagent apply")

    assert "`size`: `Standard_D2s_v5` → `Standard_B2ms`" in comment
    assert len([t for t in staged.forge.said(pull.number) if t.startswith("<!-- iacagent:review")]) == 1
    assert status["state"] in ("success", "succeeded")
    assert "1 root module, 1 changed" in status["description"]
    assert "1 more approval" in early
    assert "1 more approval" in own
    assert "eve may not push" in stranger
    assert "**Applied**: `live/jobs`" in answer
    assert machine(staged, "live/jobs")["size"] == "Standard_B2ms"


def test_an_approval_given_before_the_last_push_does_not_count(staged: Stage) -> None:
    size(staged)
    pull = staged.pull()
    staged.forge.approve(pull, "ben")
    staged.replace("live/jobs/terraform.tfvars", "Standard_B2ms", "Standard_B4ms")
    staged.push("change")
    staged.forge.pushed(pull)
    staged.review(pull)

    assert "1 more approval" in staged.command(pull, "ann", "/iacagent apply")


def test_a_fork_gets_the_static_review_and_a_fix_its_suggestion(staged: Stage) -> None:
    size(staged)
    fork = staged.pull(author="mallory", fork="mallory/platform", branch="theirs")
    comment = staged.review(fork)
    staged.branch("ours")
    staged.write({"live/web/store.tf": STORE})
    ours = staged.pull(branch="ours")
    answer = staged.command(ours, "ben", "/iacagent fix ENC-001")

    assert "no credentials were used" in comment
    assert "1 of 1 can be fixed" in answer
    made = staged.forge.discussions[0]["body"] if staged.kind == "gitlab" else staged.forge.suggestions[0]["comments"][0]["content"]
    assert 'min_tls_version          = "TLS1_2"' in made


def test_what_is_closed_and_what_moves(staged: Stage) -> None:
    size(staged)
    pull = staged.pull()
    forge = staged.bot().forge
    pull.state = "closed"
    if staged.kind == "gitlab":
        events = [forge.event("", staged.forge.merge_event(pull, a)) for a in ("open", "update", "close", "merge", "approved")]
    else:
        kinds = ("created", "updated", "merged")
        pull.state = "open"
        events = [forge.event(f"git.pullrequest.{k}", staged.forge.pull_event(pull)) for k in kinds]
        pull.state = "closed"
        events.append(forge.event("git.pullrequest.updated", staged.forge.pull_event(pull)))

    told = [e.kind if e else None for e in events]
    assert told == (["opened", "opened", "closed", "closed", None] if staged.kind == "gitlab" else ["opened", "opened", None, "closed"])
    assert forge.pull(pull.number).state == "closed"


def test_pull_requests_of_ours(staged: Stage) -> None:
    staged.branch("iacagent/drift/live-web")
    staged.write({"live/web/x.tf": "locals {}\n"})
    staged.push("iacagent/drift/live-web")
    forge = staged.bot().forge

    number = forge.propose("iacagent/drift/live-web", "main", "Take over drift", "first")
    again = forge.propose("iacagent/drift/live-web", "main", "Take over more", "second")
    forge.withdraw(number, "It is void.")

    assert again == number
    assert (staged.forge.pulls[number].title, staged.forge.pulls[number].body) == ("Take over more", "second")
    assert staged.forge.pulls[number].state == "closed"
    assert forge.proposed("iacagent/drift/live-web") is None


@pytest.mark.parametrize("kind", list(FORGES))
def test_a_wrong_token_and_no_network_are_told(kind: str, tmp_path: Path, gym: Gym, built: Path) -> None:
    with raised(tmp_path, gym, kind, built) as stage:
        told = stage.environment
        wrong = {n: "wrong" for n in ("GITHUB_TOKEN", "GITLAB_TOKEN", "AZURE_DEVOPS_TOKEN") if n in told}
        with pytest.raises(ForgeFailed, match="401"):
            hung_up(kind, {**told, **wrong}, 1)
        nowhere = {n: "http://127.0.0.1:9" for n in ("GITHUB_API_URL", "CI_SERVER_URL", "SYSTEM_COLLECTIONURI") if n in told}
        with pytest.raises(ForgeFailed, match="could not be asked"):
            hung_up(kind, {**told, **nowhere}, 1)
        with pytest.raises(ForgeFailed, match="404"):
            hung_up(kind, told, 99)


def hung_up(kind: str, told: dict[str, str], number: int) -> None:
    """Ask for a pull request, and hang up."""
    forge = review_wiring.forge(kind, told)
    try:
        forge.pull(number)
    finally:
        forge.close()
