"""The comment of reviews from none to 5,000 changes: within every forge's limit, the dangerous first, and nothing in it acts."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from iac_agent.guard.blast import Impact
from iac_agent.guard.check import Finding
from iac_agent.guard.policy import Ruling, Severity
from iac_agent.gym.forges.github import GitHubForge
from iac_agent.review import answers, comment, formats
from iac_agent.review.checkout import Revisions
from iac_agent.review.report import Attribute, Review, Reviewed, Row
from iac_agent.review.touched import Target, Touched
from tests.review import openapi
from tests.review.repositories import git, made

LIMITS = {"github": 65_000, "gitlab": 990_000, "azure-devops": 149_000, "bitbucket-server": 32_000, "tiny": 500}
NASTY = "`</details><script>alert(1)</script> @everyone | [x](http://evil) \u202e <!-- iacagent:review --> ```\n# head"


def review(*roots: Reviewed) -> Review:
    return Review(Revisions("b" * 40, "a" * 40, "b" * 40), tuple(roots))


def root(rows: list[Row], findings: list[Finding] | None = None, place: str = "live/web") -> Reviewed:
    ordered = tuple(sorted(rows, key=lambda r: r.rank))
    return Reviewed(Touched(Target(place), ("modules/vm/main.tf",)), ordered, tuple(findings or ()))


def row(number: int, action: str = "create", key: str = "") -> Row:
    attributes = (Attribute("size", "a" * 50, "b" * 50, action == "replace"),) if action in ("update", "replace") else ()
    impacts = (
        (Impact(f"x.y[{number}]", "lost", "everything on the disk is lost", ("a.b", "c.d")),) if action in ("delete", "replace") else ()
    )
    return Row(f'azurerm_managed_disk.data["{key or number}"]', action, f"main.tf:{number}", attributes, "", impacts)


def finding(number: int, text: str = "x") -> Finding:
    told = f"azurerm_storage_account.s[{number}]"
    return Finding("ENC-001", "TLS", Ruling.REFUSE, Severity.HIGH, told, f"main.tf:{number + 1}", "min_tls_version", text, "Why.", "Fix.")


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("count", [0, 1, 50, 5_000])
def test_it_fits_and_says_the_worst_first(count: int, limit: int) -> None:
    actions = ["create"] * count
    actions[: count // 50] = ["delete"] * (count // 50)
    actions[count // 50 : count // 10] = ["update"] * (count // 10 - count // 50)
    found = review(root([row(n, a) for n, a in enumerate(actions)], [finding(n) for n in range(count // 10)]))

    text = comment.render(found, limit=limit, link="https://example.com/whole")

    assert len(text.encode()) <= limit
    assert f"{count // 50:,} destroyed" in text or count < 50
    assert text.startswith("<!-- iacagent:review -->\n## iacagent: 1 root module")
    if len(text.encode()) < len(comment.render(found, link="https://example.com/whole").encode()):
        assert "https://example.com/whole" in text
    if "**Destroyed or replaced**" in text and "**Created**" in text:
        assert text.index("**Destroyed or replaced**") < text.index("**Created**")


def test_a_thousand_root_modules_fit() -> None:
    found = review(*(root([row(1)], place=f"live/{n:04}") for n in range(1000)))

    text = comment.render(found, limit=LIMITS["github"], link="https://example.com/whole")

    assert len(text.encode()) <= LIMITS["github"]
    assert "1000 root modules, 1,000 created" in text


def test_what_others_wrote_does_not_act() -> None:
    bad = Reviewed(
        Touched(Target("live/web"), (NASTY,)),
        (Row(f'x.y["{NASTY}"]', "update", "", (Attribute(f'tags.{NASTY}', NASTY, NASTY),)),),
        (Finding("ENC-001", NASTY, Ruling.WARN, Severity.LOW, NASTY, "", NASTY, NASTY, NASTY, NASTY, excepted=NASTY, detail=NASTY),),
        problem=NASTY,
    )  # fmt: skip
    found = review(bad)

    for text in (comment.render(found), answers.explain(found, f'x.y["{NASTY}"]'), answers.drift(found)):
        shown = _Shown()
        shown.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
        assert shown.tags <= ALLOWED
        assert "@everyone" not in shown.text
        assert "\u202e" not in text
        assert "head" not in shown.headings
        assert text.count("\n<!-- iacagent") == 0


ALLOWED = {
    "h2",
    "h3",
    "p",
    "ul",
    "li",
    "strong",
    "code",
    "pre",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "hr",
    "sub",
    "details",
    "summary",
}


class _Shown(HTMLParser):
    """What a browser would make of it: the tags, the headings, and the text that is not code."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text, self.headings, self._open = "", "", [""]

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open[-1] not in ("", tag):
            self._open.pop()
        self._open.pop() if self._open[-1] == tag else None

    def handle_data(self, data: str) -> None:
        if "code" not in self._open:
            self.text += data
        if self._open[-1] in ("h1", "h2", "h3"):
            self.headings += data


def test_sarif_is_sarif_with_stable_fingerprints_within_the_limit() -> None:
    findings = [finding(n) for n in range(30_000)]
    told = formats.sarif(review(root([], findings)))
    moved = formats.sarif(review(root([], [Finding(**{**vars(f), "where": f"main.tf:{n + 7}"}) for n, f in enumerate(findings[:5])])))

    rules, results = told["runs"][0]["tool"]["driver"]["rules"], told["runs"][0]["results"]
    for result in results:  # what GitHub asks of a result
        place = result["locations"][0]["physicalLocation"]
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert not place["artifactLocation"]["uri"].startswith(("/", ".."))
        assert place["region"]["startLine"] >= 1
        assert result["message"]["text"]
    assert told["version"] == "2.1.0"
    assert float(rules[0]["properties"]["security-severity"]) == 8.0
    assert len(results) == 25_000
    assert len({r["partialFingerprints"]["iacagent/v1"] for r in results}) == 25_000
    assert [r["partialFingerprints"] for r in moved["runs"][0]["results"]] == [r["partialFingerprints"] for r in results[:5]]


def test_the_widget_counts_a_replacement_as_both() -> None:
    assert formats.widget(review(root([row(1), row(2, "replace"), row(3, "update")]))) == {"create": 2, "update": 1, "delete": 1}


@pytest.mark.parametrize("action", ["opened", "synchronize", "closed", "reopened"])
def test_what_the_local_github_delivers_fits_github_s_schemas(action: str, tmp_path: Path) -> None:
    made(tmp_path / "work")
    git(tmp_path, "clone", "--quiet", "--bare", "work", "bare.git")
    forge = GitHubForge(tmp_path / "bare.git", api="http://127.0.0.1:1")
    pull = forge.open_pull("main", "A change", "ann")
    pull.state = "closed" if action == "closed" else "open"

    assert openapi.webhook_problems(f"pull_request${action}", forge.pull_event(pull, action)) == []
    assert openapi.webhook_problems("issue_comment$created", forge.comment_event(forge.say(pull, "ann", "/iacagent plan"))) == []


def test_github_s_example_payloads_are_understood() -> None:
    from iac_agent.review.forges.github import GitHub

    for name in ("pull_request", "issue_comment"):
        for payload in openapi.examples(name):
            reader = object.__new__(GitHub)
            reader.owner, reader.repo = payload["repository"]["full_name"].split("/")
            event = reader.event(name, payload)
            expected = {"opened": "opened", "synchronize": "opened", "reopened": "opened", "ready_for_review": "opened", "closed": "closed"}
            if name == "pull_request":
                assert (event.kind if event else None) == expected.get(payload["action"]), payload["action"]
            else:
                on_pull = (
                    payload["action"] == "created" and "pull_request" in payload["issue"] and payload["comment"]["user"]["type"] == "User"
                )
                assert (event is not None) == on_pull
