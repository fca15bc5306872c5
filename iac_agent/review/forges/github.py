"""GitHub: one comment that is kept up to date, a check run with annotations, code scanning, suggestions.

Sources: https://docs.github.com/rest (version 2026-03-10). A comment takes 65,536 characters, a check run 65,535 for its summary and 50
annotations a request.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from iac_agent.errors import ForgeFailed, UsageError
from iac_agent.review.comment import fenced, headline
from iac_agent.review.forges import Event, PullRequest, State, Suggestion
from iac_agent.review.formats import Annotation, remarks, sarif
from iac_agent.review.report import Review

if TYPE_CHECKING:
    from githubkit import GitHub as Client

LIMIT = 65_000
_CHECK = "iacagent"
_ANNOTATIONS = 50
_PAGE = 100
_WRITES = ("admin", "maintain", "write")
_CONCLUSIONS = {"refused": "failure", "failed": "failure", "approval": "neutral", "warned": "success", "passed": "success"}
_OPENED = ("opened", "synchronize", "reopened", "ready_for_review")


class GitHub:
    """One repository on github.com or a GitHub Enterprise Server."""

    name = "github"
    limit = LIMIT

    def __init__(self, client: Client[Any], repository: str) -> None:
        self._client = client  # its namespaces hold it weakly
        self.owner, _, self.repo = repository.partition("/")
        self._self: str | None = None

    @classmethod
    def from_environment(cls, told: Mapping[str, str], repository: str) -> GitHub:
        """Signed in by a token (GITHUB_TOKEN), or as an App (GITHUB_APP_ID, GITHUB_APP_PRIVATE_KEY, GITHUB_APP_INSTALLATION)."""
        try:
            from githubkit import AppInstallationAuthStrategy
            from githubkit import GitHub as Client
        except ImportError as problem:
            raise UsageError("reviews on GitHub need the `githubkit` package", hint="pip install 'iac-agent[review]'") from problem
        url = told.get("GITHUB_API_URL", "https://api.github.com")
        options: dict[str, Any] = {"base_url": url, "timeout": 30.0, "http_cache": False}
        if told.get("GITHUB_APP_ID"):
            needed = ("GITHUB_APP_PRIVATE_KEY", "GITHUB_APP_INSTALLATION")
            missing = [n for n in needed if not told.get(n)]
            if missing:
                raise UsageError(f"GITHUB_APP_ID is set, and {missing[0]} is not", hint="See docs/review.md, GitHub.")
            auth = AppInstallationAuthStrategy(told["GITHUB_APP_ID"], *(told[n] for n in needed))  # type: ignore[arg-type]
            return cls(Client(auth, **options), repository)
        if not told.get("GITHUB_TOKEN"):
            raise UsageError("there is no token for GitHub", hint="Set GITHUB_TOKEN, or the three GITHUB_APP_ variables.")
        return cls(Client(told["GITHUB_TOKEN"], **options), repository)

    @property
    def _rest(self) -> Any:
        return self._client.rest

    def remote(self) -> tuple[str, str]:
        with _translated("the repository"):
            url = str(self._rest.repos.get(self.owner, self.repo).parsed_data.clone_url)
            token = self._token()
        signed = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        return url, f"Authorization: Basic {signed}"

    def _token(self) -> str:
        """A token for git: ours, or one that the App gets for its installation."""
        auth = self._client.auth
        if hasattr(auth, "token"):
            return str(auth.token)
        made = self._rest.apps.create_installation_access_token(auth.installation_id).parsed_data
        return str(made.token)

    # --- what is there -----------------------------------------------------------------------------------------------

    def pull(self, number: int) -> PullRequest:
        with _translated(f"pull request {number}"):
            found = self._rest.pulls.get(self.owner, self.repo, number).parsed_data
            branch = found.base.repo.default_branch
            tip, default = (self._tip(b) for b in (found.base.ref, branch))
            pushers = self._pushers(number)
        repository = found.head.repo
        fork = repository is None or repository.full_name.lower() != f"{self.owner}/{self.repo}".lower()
        state: State = "merged" if found.merged else "open" if found.state == "open" else "closed"
        author = found.user.login if found.user else ""
        heads = (found.head.sha, tip, found.head.ref, found.base.ref, default, branch)
        return PullRequest(number, found.title, author, state, *heads, fork=fork, pushers=pushers)

    def _tip(self, branch: str) -> str:
        return str(self._rest.git.get_ref(self.owner, self.repo, f"heads/{branch}").parsed_data.object_.sha)

    def _pushers(self, number: int) -> frozenset[str]:
        """Who wrote or committed the commits of a pull request (the API lists at most 250)."""
        found: set[str] = set()
        for page in _pages():
            listed = self._rest.pulls.list_commits(self.owner, self.repo, number, per_page=_PAGE, page=page).parsed_data
            people = (p for one in listed for p in (one.author, one.committer))
            found |= {login for p in people if (login := getattr(p, "login", None))}
            if len(listed) < _PAGE:
                break
        return frozenset(found)

    def may_write(self, user: str) -> bool:
        if not user:
            return False
        try:
            with _translated(f"the permission of {user}"):
                found = self._rest.repos.get_collaborator_permission_level(self.owner, self.repo, user).parsed_data
        except ForgeFailed as problem:
            if problem.status == 404:
                return False
            raise
        return found.permission in _WRITES

    def approvers(self, pull: PullRequest) -> frozenset[str]:
        last: dict[str, Any] = {}
        with _translated(f"the reviews of pull request {pull.number}"):
            for page in _pages():
                reviews = self._rest.pulls.list_reviews(self.owner, self.repo, pull.number, per_page=_PAGE, page=page).parsed_data
                for review in reviews:
                    if review.user and review.state in ("APPROVED", "CHANGES_REQUESTED", "DISMISSED"):
                        last[review.user.login] = review
                if len(reviews) < _PAGE:
                    break
        approved = {
            u for u, r in last.items() if r.state == "APPROVED" and r.commit_id == pull.head and u not in {pull.author, *pull.pushers}
        }
        return frozenset(u for u in approved if self.may_write(u))

    # --- what is said ------------------------------------------------------------------------------------------------

    def comment(self, number: int, marker: str, body: str) -> str:
        with _translated(f"a comment on pull request {number}"):
            held = self._ours(number, marker)
            if held is None:
                return str(self._rest.issues.create_comment(self.owner, self.repo, number, body=body).parsed_data.html_url)
            if held.body == body:
                return str(held.html_url)
        try:
            with _translated(f"a comment on pull request {number}"):
                return str(self._rest.issues.update_comment(self.owner, self.repo, held.id, body=body).parsed_data.html_url)
        except ForgeFailed as problem:
            if problem.status != 403:  # of another bot that writes our marker
                raise
        with _translated(f"a comment on pull request {number}"):
            return str(self._rest.issues.create_comment(self.owner, self.repo, number, body=body).parsed_data.html_url)

    def _ours(self, number: int, marker: str) -> Any:
        """The last comment of ours that begins with the marker. Whoever else writes the marker is not taken for us."""
        found = None
        for page in _pages():
            listed = self._rest.issues.list_comments(self.owner, self.repo, number, per_page=_PAGE, page=page).parsed_data
            for one in listed:
                if (one.body or "").startswith(marker) and one.user and self._is_self(one.user.login, one.user.type):
                    found = one
            if len(listed) < _PAGE:
                break
        return found

    def _is_self(self, login: str, kind: str) -> bool:
        """Whether a user is who we are signed in as; the token of an App or a workflow cannot ask, and is a bot."""
        if self._self is None:
            try:
                with _translated("who we are"):
                    self._self = self._rest.users.get_authenticated().parsed_data.login
            except ForgeFailed as problem:
                if problem.status not in (401, 403, 404):
                    raise
                self._self = ""
        return login == self._self if self._self else kind == "Bot"

    def publish(self, pull: PullRequest, review: Review, body: str, link: str) -> None:
        self._check(pull, review, body, link)
        try:
            self._scan(pull, review)
        except ForgeFailed as problem:
            if problem.status not in (403, 404):  # code scanning is not enabled here
                raise

    def _check(self, pull: PullRequest, review: Review, body: str, link: str) -> None:
        """A check run of ours on the head: made once for each commit, and brought up to date."""
        listed = remarks(review)
        output: dict[str, Any] = {"title": headline(review)[:250], "summary": body, "annotations": _annotated(listed[:_ANNOTATIONS])}
        told: dict[str, Any] = {
            "status": "completed", "conclusion": _CONCLUSIONS[review.outcome], "completed_at": datetime.now(UTC),
            **({"details_url": link} if link.startswith("http") else {}),
        }  # fmt: skip
        with _translated(f"the check of {pull.head[:12]}"):
            runs = self._rest.checks.list_for_ref(self.owner, self.repo, pull.head, check_name=_CHECK, per_page=1).parsed_data.check_runs
            made = runs[0] if runs else None
            if made is None:
                made = self._rest.checks.create(
                    self.owner, self.repo, data={"name": _CHECK, "head_sha": pull.head, "output": output, **told}
                ).parsed_data  # fmt: skip
            else:
                self._rest.checks.update(self.owner, self.repo, made.id, data={"output": output, **told})
            for start in range(_ANNOTATIONS, len(listed), _ANNOTATIONS):
                output["annotations"] = _annotated(listed[start : start + _ANNOTATIONS])
                self._rest.checks.update(self.owner, self.repo, made.id, data={"output": output})

    def _scan(self, pull: PullRequest, review: Review) -> None:
        packed = base64.b64encode(gzip.compress(json.dumps(sarif(review)).encode(), mtime=0)).decode()
        with _translated("code scanning"):
            self._rest.code_scanning.upload_sarif(
                self.owner, self.repo, commit_sha=pull.head, ref=f"refs/pull/{pull.number}/head", sarif=packed
            )

    def suggest(self, pull: PullRequest, suggestions: Sequence[Suggestion]) -> None:
        remarks = [
            {
                "path": s.path,
                "line": s.last,
                "side": "RIGHT",
                **({"start_line": s.first, "start_side": "RIGHT"} if s.first < s.last else {}),
                "body": f"{s.why}\n\n{fenced(s.text, 'suggestion')}",
            }
            for s in suggestions
        ]
        with _translated(f"suggestions on pull request {pull.number}"):
            self._rest.pulls.create_review(
                self.owner, self.repo, pull.number, data={"commit_id": pull.head, "event": "COMMENT", "comments": remarks}
            )  # fmt: skip

    def seen(self, event: Event) -> None:
        with _translated("a reaction"):
            self._rest.reactions.create_for_issue_comment(self.owner, self.repo, int(event.comment), content="eyes")

    # --- pull requests of ours -----------------------------------------------------------------------------------------

    def proposed(self, branch: str) -> int | None:
        with _translated(f"pull requests of {branch}"):
            found = self._rest.pulls.list(self.owner, self.repo, head=f"{self.owner}:{branch}", state="open").parsed_data
        return found[0].number if found else None

    def propose(self, branch: str, into: str, title: str, body: str) -> int:
        number = self.proposed(branch)
        with _translated(f"the pull request of {branch}"):
            if number is not None:
                return int(self._rest.pulls.update(self.owner, self.repo, number, title=title, body=body).parsed_data.number)
            made = self._rest.pulls.create(self.owner, self.repo, title=title, head=branch, base=into, body=body)
            return int(made.parsed_data.number)

    def withdraw(self, number: int, why: str) -> None:
        self.comment(number, "<!-- iacagent:withdrawn -->", f"<!-- iacagent:withdrawn -->\n{why}\n")
        with _translated(f"pull request {number}"):
            self._rest.pulls.update(self.owner, self.repo, number, state="closed")

    def close(self) -> None:
        """The client opens a line for each request."""

    # --- what is heard -------------------------------------------------------------------------------------------------

    def event(self, kind: str, payload: Any) -> Event | None:
        if (payload.get("repository") or {}).get("full_name", "").lower() != f"{self.owner}/{self.repo}".lower():
            return None
        action = payload.get("action")
        if kind in ("pull_request", "pull_request_target"):
            number = int(payload["pull_request"]["number"])
            retargeted = action == "edited" and "base" in (payload.get("changes") or {})
            if action in _OPENED or retargeted:
                return Event("opened", number)
            return Event("closed", number) if action == "closed" else None
        if kind == "issue_comment" and action == "created" and "pull_request" in payload["issue"]:
            comment = payload["comment"]
            if comment["user"]["type"] != "User":
                return None
            who, text, identity = (str(v) for v in (comment["user"]["login"], comment["body"], int(comment["id"])))
            return Event("commented", int(payload["issue"]["number"]), who, text, identity)
        return None


def _annotated(remarks: Sequence[Annotation]) -> list[dict[str, Any]]:
    return [
        {
            "path": r.path,
            "start_line": r.line,
            "end_line": r.line,
            "annotation_level": r.level,
            "title": r.title[:255],
            "message": r.message[:60_000],
        }
        for r in remarks
    ]


def _pages() -> Iterator[int]:
    yield from range(1, 1000)


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    """githubkit's errors as ours. Raises ForgeFailed."""
    from githubkit.exception import GitHubException, RequestFailed

    try:
        yield
    except RequestFailed as problem:
        status = problem.response.status_code
        try:
            said = str(problem.response.json().get("message", ""))
        except ValueError:
            said = ""
        hint = {401: "Is the token right, and has it not expired?", 403: "The token lacks a permission; see docs/review.md, GitHub."}
        raise ForgeFailed(f"GitHub answered {status} about {what}: {said}"[:300], status, hint=hint.get(status, "")) from problem
    except GitHubException as problem:
        raise ForgeFailed(f"GitHub could not be asked about {what}: {problem}"[:300]) from problem


def step_summary(text: str, told: Mapping[str, str]) -> None:
    """Show a text on the page of the workflow's run, where there is one. A step takes 1 MiB."""
    file = told.get("GITHUB_STEP_SUMMARY")
    if file:
        with open(file, "a", encoding="utf-8") as stream:
            stream.write(text)


def run_page(told: Mapping[str, str]) -> str:
    """The page of the workflow's run; empty outside of one."""
    if not told.get("GITHUB_RUN_ID"):
        return ""
    return f"{told.get('GITHUB_SERVER_URL', 'https://github.com')}/{told['GITHUB_REPOSITORY']}/actions/runs/{told['GITHUB_RUN_ID']}"
