"""GitLab: one note that is kept up to date, a commit status, suggestions; its reports are files that a job hands over.

Sources: https://docs.gitlab.com/api. A note takes 1,000,000 characters. Approvals bear no commit here, so they count only where GitLab
takes them back when commits are added (`reset_approvals_on_push`).
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from iac_agent.errors import ForgeFailed, UsageError
from iac_agent.review.comment import fenced, headline
from iac_agent.review.forges import Event, PullRequest, State, Suggestion
from iac_agent.review.report import Review

if TYPE_CHECKING:
    from gitlab import Gitlab as Client

LIMIT = 990_000
_DEVELOPER = 30
_STATES: dict[str, State] = {"opened": "open", "locked": "open", "merged": "merged"}
_STATUS = {"refused": "failed", "failed": "failed", "approval": "success", "warned": "success", "passed": "success"}


class GitLab:
    """One project on gitlab.com or a GitLab of one's own."""

    name = "gitlab"
    limit = LIMIT

    def __init__(self, client: Client, project: str) -> None:
        self._client, self._path = client, project
        with _translated(f"project {project}"):
            self._project: Any = client.projects.get(project)

    @classmethod
    def from_environment(cls, told: Mapping[str, str], project: str) -> GitLab:
        """Signed in by GITLAB_TOKEN: a project access token with the scope `api`. The token of a job may not write notes."""
        try:
            from gitlab import Gitlab as Client
        except ImportError as problem:
            raise UsageError("reviews on GitLab need the `python-gitlab` package", hint="pip install 'iac-agent[review]'") from problem
        if not told.get("GITLAB_TOKEN"):
            raise UsageError("there is no token for GitLab", hint="Set GITLAB_TOKEN to a project access token with the scope api.")
        client = Client(told.get("CI_SERVER_URL", "https://gitlab.com"), private_token=told["GITLAB_TOKEN"], timeout=30)
        return cls(client, project)

    def remote(self) -> tuple[str, str]:
        signed = base64.b64encode(f"oauth2:{self._client.private_token}".encode()).decode()
        return str(self._project.http_url_to_repo), f"Authorization: Basic {signed}"

    # --- what is there -----------------------------------------------------------------------------------------------

    def pull(self, number: int) -> PullRequest:
        with _translated(f"merge request {number}"):
            found = self._project.mergerequests.get(number)
            branch = str(self._project.default_branch)
            tip, default = (self._project.branches.get(b).commit["id"] for b in (found.target_branch, branch))
        state = _STATES.get(found.state, "closed")
        fork = found.source_project_id != found.target_project_id
        author = found.author["username"]
        heads = (found.sha, tip, found.source_branch, found.target_branch, default, branch)
        return PullRequest(number, found.title, author, state, *heads, fork=fork)

    def may_write(self, user: str) -> bool:
        with _translated(f"the members of {self._path}"):
            for one in self._project.members_all.list(query=user, iterator=True):
                if one.username == user and one.state == "active":
                    return bool(one.access_level >= _DEVELOPER)
        return False

    def approvers(self, pull: PullRequest) -> frozenset[str]:
        with _translated(f"the approvals of merge request {pull.number}"):
            if not self._project.approvals.get().reset_approvals_on_push:
                raise ForgeFailed(
                    "approvals of merge requests stay when commits are added here, so none is of a commit",
                    hint="Turn on: Settings, Merge requests, Remove all approvals when commits are added.",
                )
            found = self._project.mergerequests.get(pull.number, lazy=True).approvals.get().approved_by
        names = {one["user"]["username"] for one in found} - {pull.author}
        return frozenset(n for n in names if self.may_write(n))

    # --- what is said ------------------------------------------------------------------------------------------------

    def comment(self, number: int, marker: str, body: str) -> str:
        with _translated(f"a note on merge request {number}"):
            request = self._project.mergerequests.get(number, lazy=True)
            who = self._who()
            held = next((n for n in request.notes.list(iterator=True) if n.body.startswith(marker) and n.author["username"] == who), None)
            if held is None:
                made = request.notes.create({"body": body})
                return f"{self._project.web_url}/-/merge_requests/{number}#note_{made.id}"
            if held.body != body:
                held.body = body
                held.save()
            return f"{self._project.web_url}/-/merge_requests/{number}#note_{held.id}"

    def _who(self) -> str:
        if self._client.user is None:
            self._client.auth()
        return str(self._client.user.username if self._client.user else "")

    def publish(self, pull: PullRequest, review: Review, body: str, link: str) -> None:
        told = {
            "state": _STATUS[review.outcome],
            "name": "iacagent",
            "description": headline(review)[:250],
        }
        with _translated(f"the status of {pull.head[:12]}"):
            commit = self._project.commits.get(pull.head, lazy=True)
            commit.statuses.create({**told, **({"target_url": link} if link.startswith("http") else {})})

    def suggest(self, pull: PullRequest, suggestions: Sequence[Suggestion]) -> None:
        with _translated(f"suggestions on merge request {pull.number}"):
            request = self._project.mergerequests.get(pull.number)
            for one in suggestions:
                position = {
                    **request.diff_refs,
                    "position_type": "text",
                    "old_path": one.path,
                    "new_path": one.path,
                    "new_line": one.last,
                }
                told = f"{one.why}\n\n{fenced(one.text, f'suggestion:-{one.last - one.first}+0')}"
                request.discussions.create({"body": told, "position": position})

    def seen(self, event: Event) -> None:
        with _translated("a reaction"):
            note = self._project.mergerequests.get(event.number, lazy=True).notes.get(int(event.comment), lazy=True)
            note.awardemojis.create({"name": "eyes"})

    # --- merge requests of ours ----------------------------------------------------------------------------------------

    def proposed(self, branch: str) -> int | None:
        with _translated(f"merge requests of {branch}"):
            found = self._project.mergerequests.list(source_branch=branch, state="opened", get_all=False)
        return int(found[0].iid) if found else None

    def propose(self, branch: str, into: str, title: str, body: str) -> int:
        number = self.proposed(branch)
        with _translated(f"the merge request of {branch}"):
            if number is not None:
                self._project.mergerequests.update(number, {"title": title, "description": body})
                return number
            made = self._project.mergerequests.create(
                {"source_branch": branch, "target_branch": into, "title": title, "description": body, "remove_source_branch": True}
            )
            return int(made.iid)

    def withdraw(self, number: int, why: str) -> None:
        self.comment(number, "<!-- iacagent:withdrawn -->", f"<!-- iacagent:withdrawn -->\n{why}\n")
        with _translated(f"merge request {number}"):
            self._project.mergerequests.update(number, {"state_event": "close"})

    def close(self) -> None:
        self._client.session.close()

    # --- what is heard -------------------------------------------------------------------------------------------------

    def event(self, kind: str, payload: Any) -> Event | None:
        if (payload.get("project") or {}).get("path_with_namespace", "").lower() != self._path.lower():
            return None
        told = payload["object_attributes"]
        if payload["object_kind"] == "merge_request":
            number, action = int(told["iid"]), told.get("action")
            retargeted = action == "update" and "target_branch" in (payload.get("changes") or {})
            if action in ("open", "reopen") or (action == "update" and "oldrev" in told) or retargeted:
                return Event("opened", number)
            return Event("closed", number) if action in ("close", "merge") else None
        if payload["object_kind"] == "note" and told["noteable_type"] == "MergeRequest" and told.get("action", "create") == "create":
            return Event(
                "commented", int(payload["merge_request"]["iid"]), str(payload["user"]["username"]), str(told["note"]), str(int(told["id"]))
            )
        return None


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    """python-gitlab's errors, and those of its connection, as ours. Raises ForgeFailed."""
    from gitlab.exceptions import GitlabError
    from requests.exceptions import RequestException

    try:
        yield
    except GitlabError as problem:
        status = int(problem.response_code or 0)
        hint = {401: "Is the token right, and has it not expired?", 403: "The token lacks the scope api, or a role; see docs/review.md."}
        said = str(problem.error_message or "")
        raise ForgeFailed(f"GitLab answered {status} about {what}: {said}"[:300], status, hint=hint.get(status, "")) from problem
    except RequestException as problem:
        raise ForgeFailed(f"GitLab could not be asked about {what}: {problem}"[:300]) from problem
