"""A small GitLab: merge requests of one real git repository, their notes, approvals, statuses and suggestions.

Source: https://docs.gitlab.com/api
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request

from iac_agent.gym.forges.github_shapes import MOMENT, number_of
from iac_agent.gym.forges.hosted import Answer, Hosted, Json, Pull, Work

_LEVELS = {"read": 20, "write": 30, "maintain": 40, "admin": 50}
_NOTE = 1_000_000


@dataclass
class GitLabForge(Hosted):
    """One project on GitLab. `resets`: approvals are taken back when commits are added."""

    resets: bool = True
    approvals: dict[int, list[str]] = field(default_factory=dict)
    statuses: list[Json] = field(default_factory=list)
    discussions: list[Json] = field(default_factory=list)
    emojis: list[tuple[int, str]] = field(default_factory=list)

    # --- what people do ------------------------------------------------------------------------------------------------

    def open_pull(self, branch: str, title: str, author: str, *, fork: str = "") -> Pull:
        return self.added(branch, title, author, fork=fork)

    def say(self, pull: Pull, login: str, text: str) -> int:
        return self.commented(pull, login, text)

    def approve(self, pull: Pull, login: str) -> None:
        self.approvals.setdefault(pull.number, []).append(login)

    def pushed(self, pull: Pull) -> None:
        """Commits were added."""
        if self.resets:
            self.approvals.pop(pull.number, None)

    def merge_event(self, pull: Pull, action: str) -> Json:
        """What a webhook tells of a merge request."""
        told = {"iid": pull.number, "action": action, **({"oldrev": "0" * 40} if action == "update" else {})}
        return {"object_kind": "merge_request", **self._sent_by(pull.author), "object_attributes": told}

    def note_event(self, identity: int) -> Json:
        number, login, text = self.comments[identity]
        told = {"id": identity, "note": text, "noteable_type": "MergeRequest", "action": "create"}
        return {"object_kind": "note", **self._sent_by(login), "object_attributes": told, "merge_request": {"iid": number}}

    def _sent_by(self, login: str) -> Json:
        return {"user": self._user(login), "project": {"path_with_namespace": self.full_name}}

    # --- shapes --------------------------------------------------------------------------------------------------------

    @staticmethod
    def _user(login: str) -> Json:
        return {"id": number_of(login), "username": login, "name": login, "state": "active", "locked": False}

    def _project(self) -> Json:
        return {
            "id": 7, "path_with_namespace": self.full_name, "name": self.full_name.rpartition("/")[2], "default_branch": "main",
            "web_url": f"{self.api}/{self.full_name}", "http_url_to_repo": f"file://{self.repository}",
        }  # fmt: skip

    def _request(self, pull: Pull) -> Json:
        head, base = self.tip(pull.branch), self.tip(pull.base)
        self.git("update-ref", f"refs/merge-requests/{pull.number}/head", head)
        fork = self.git("merge-base", base, head)
        return {
            "id": 100 + pull.number, "iid": pull.number, "project_id": 7, "title": pull.title, "description": pull.body,
            "state": "merged" if pull.merged else "opened" if pull.state == "open" else "closed", "author": self._user(pull.author),
            "source_branch": pull.branch, "target_branch": pull.base, "source_project_id": number_of(pull.fork) if pull.fork else 7,
            "target_project_id": 7, "sha": head, "web_url": f"{self.api}/{self.full_name}/-/merge_requests/{pull.number}",
            "diff_refs": {"base_sha": fork, "head_sha": head, "start_sha": base}, "created_at": MOMENT, "updated_at": MOMENT,
        }  # fmt: skip

    def _note(self, identity: int) -> Json:
        number, login, text = self.comments[identity]
        return {
            "id": identity, "body": text, "author": self._user(login), "system": False, "noteable_type": "MergeRequest",
            "noteable_iid": number, "created_at": MOMENT, "updated_at": MOMENT,
        }  # fmt: skip

    # --- the API -------------------------------------------------------------------------------------------------------

    @property
    def app(self) -> Starlette:
        one = "/api/v4/projects/7"
        request = f"{one}/merge_requests/{{number:int}}"
        routes: list[tuple[str, str, Work]] = [
            ("GET", "/api/v4/user", lambda who, _, __: self._user(who)),
            ("GET", f"/api/v4/projects/{self.full_name}", lambda _, __, ___: self._project()),
            ("GET", f"{one}/members/all", self._members),
            ("GET", f"{one}/approvals", lambda _, __, ___: {"reset_approvals_on_push": self.resets}),
            ("GET", f"{one}/repository/branches/{{name:path}}", self._branch),
            ("GET", f"{one}/merge_requests", self._list),
            ("POST", f"{one}/merge_requests", self._create),
            ("GET", request, lambda _, at, __: self._request(self.pulls[at["number"]])),
            ("PUT", request, self._update),
            ("GET", f"{request}/approvals", self._approvals),
            ("GET", f"{request}/notes", self._notes),
            ("POST", f"{request}/notes", self._create_note),
            ("PUT", f"{request}/notes/{{id:int}}", self._update_note),
            ("POST", f"{request}/notes/{{id:int}}/award_emoji", self._emoji),
            ("POST", f"{request}/discussions", self._discuss),
            ("POST", f"{one}/statuses/{{sha}}", self._status),
        ]
        return self.application(routes)

    def signed_in(self, request: Request) -> str | None:
        return self.tokens.get(request.headers.get("private-token", ""))

    def _members(self, _: str, at: Json, __: Any) -> list[Json]:
        found = [u for u in self.roles if at.get("query", "") in u]
        return [{**self._user(u), "access_level": _LEVELS[self.roles[u]]} for u in found]

    def _branch(self, _: str, at: Json, __: Any) -> Json:
        return {"name": at["name"], "commit": {"id": self.tip(at["name"])}}

    def _list(self, _: str, at: Json, __: Any) -> list[Json]:
        found = [p for p in self.pulls.values() if p.branch == at.get("source_branch", p.branch) and p.state == "open"]
        return [self._request(p) for p in found]

    def _create(self, who: str, _: Json, body: Json) -> tuple[int, Json]:
        made = self.added(body["source_branch"], body["title"], who, body["target_branch"], body.get("description", ""))
        return 201, self._request(made)

    def _update(self, _: str, at: Json, body: Json) -> Json:
        pull = self.pulls[at["number"]]
        pull.title, pull.body = body.get("title", pull.title), body.get("description", pull.body)
        pull.state = "closed" if body.get("state_event") == "close" else pull.state
        return self._request(pull)

    def _approvals(self, _: str, at: Json, __: Any) -> Json:
        return {"iid": at["number"], "approved_by": [{"user": self._user(u)} for u in self.approvals.get(at["number"], [])]}

    def _notes(self, _: str, at: Json, __: Any) -> list[Json]:
        page, size = int(at.get("page", 1)), int(at.get("per_page", 20))
        found = [i for i, c in self.comments.items() if c[0] == at["number"]]
        return [self._note(i) for i in found[(page - 1) * size : page * size]]

    def _create_note(self, who: str, at: Json, body: Json) -> tuple[int, Json]:
        if len(body["body"]) > _NOTE:
            raise Answer(400, "note is too long (maximum is 1000000 characters)")
        return 201, self._note(self.commented(self.pulls[at["number"]], who, body["body"]))

    def _update_note(self, who: str, at: Json, body: Json) -> Json:
        number, author, _ = self.comments[at["id"]]
        if author != who:
            raise Answer(403, "403 Forbidden")
        self.comments[at["id"]] = (number, author, body["body"])
        return self._note(at["id"])

    def _emoji(self, who: str, at: Json, body: Json) -> tuple[int, Json]:
        self.emojis.append((at["id"], body["name"]))
        return 201, {"id": 1, "name": body["name"], "user": self._user(who)}

    def _discuss(self, _: str, at: Json, body: Json) -> tuple[int, Json]:
        place = body["position"]
        if place["new_line"] not in self.shown_lines(self.pulls[at["number"]], place["new_path"]):
            raise Answer(400, '400 Bad request - Note {:line_code=>["can\'t be blank"]}')
        self.discussions.append(body)
        return 201, {"id": "d1", "notes": []}

    def _status(self, _: str, at: Json, body: Json) -> tuple[int, Json]:
        self.statuses.append({"sha": at["sha"], **body})
        return 201, {"id": 1, "sha": at["sha"], "status": body["state"], "name": body["name"]}
