"""A small GitHub: pull requests of one real git repository, their comments, checks, reviews and code scanning, and signed webhooks.

It refuses what GitHub refuses: wrong tokens, people without the right, comments that are too long, more than 50 annotations, suggestions on
lines that the pull request does not touch. What is not emulated says so.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import subprocess
import urllib.request
import uuid
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette

from iac_agent.gym.forges import github_shapes as shapes
from iac_agent.gym.forges.hosted import Answer, Hosted, Json, Pull, Work

_COMMENT, _SUMMARY, _ANNOTATIONS = 65_536, 65_535, 50


@dataclass
class GitHubForge(Hosted):
    """One repository on GitHub."""

    checks: dict[int, Json] = field(default_factory=dict)
    reviews: dict[int, tuple[int, str, str, str, str]] = field(default_factory=dict)
    suggestions: list[Json] = field(default_factory=list)
    sarifs: list[Json] = field(default_factory=list)
    reactions: list[tuple[int, str]] = field(default_factory=list)

    # --- what people do ------------------------------------------------------------------------------------------------

    def open_pull(self, branch: str, title: str, author: str, *, fork: str = "", base: str = "main") -> Pull:
        """Somebody opens a pull request; the webhook is told."""
        made = self.added(branch, title, author, base, fork=fork)
        self.deliver("pull_request", self.pull_event(made, "opened"))
        return made

    def pushed(self, pull: Pull) -> None:
        """Somebody pushed to the branch of a pull request."""
        self.deliver("pull_request", self.pull_event(pull, "synchronize"))

    def close(self, pull: Pull, *, merged: bool = False) -> None:
        pull.state, pull.merged = "closed", merged
        self.deliver("pull_request", self.pull_event(pull, "closed"))

    def say(self, pull: Pull, login: str, text: str) -> int:
        """Somebody comments; the id of the comment."""
        identity = self.commented(pull, login, text)
        self.deliver("issue_comment", self.comment_event(identity))
        return identity

    def approve(self, pull: Pull, login: str, state: str = "APPROVED") -> None:
        """Somebody reviews the head as it is now."""
        self.reviews[next(self._ids)] = (pull.number, login, state, self.head(pull), "")

    # --- webhooks ------------------------------------------------------------------------------------------------------

    def pull_event(self, pull: Pull, action: str) -> Json:
        told: Json = {"action": action, "number": pull.number, "pull_request": self.pull(pull), **self._sent_by(pull.author)}
        if action == "synchronize":
            told |= {"before": "0" * 40, "after": self.head(pull)}
        return told

    def comment_event(self, identity: int, action: str = "created") -> Json:
        number, login, text = self.comments[identity]
        return {
            "action": action,
            "issue": shapes.issue(self.api, self.full_name, self._told(self.pulls[number])),
            "comment": shapes.comment(self.api, self.full_name, number, identity, login, text),
            **self._sent_by(login),
        }

    def _sent_by(self, login: str) -> Json:
        return {"repository": self._repository(self.full_name), "sender": shapes.user(self.api, login)}

    def deliver(self, kind: str, payload: Json) -> int:
        """Send an event to the webhook, signed; the status of its answer, 0 where there is no webhook."""
        if self.hook is None:
            return 0
        url, secret = self.hook
        return post(url, kind, json.dumps(payload).encode(), secret)

    def head(self, pull: Pull) -> str:
        """The head of a pull request, which git can fetch as refs/pull/N/head."""
        found = self.tip(pull.branch)
        self.git("update-ref", f"refs/pull/{pull.number}/head", found)
        return found

    # --- shapes --------------------------------------------------------------------------------------------------------

    def _repository(self, full_name: str) -> Json:
        return shapes.repository(self.api, full_name, f"file://{self.repository}")

    def _whole_repository(self) -> Json:
        return {**self._repository(self.full_name), "network_count": 0, "subscribers_count": 0}

    def _told(self, pull: Pull) -> Json:
        sides = {"head": self.head(pull), "head_ref": pull.branch, "base": self.tip(pull.base), "base_ref": pull.base}
        return {**{k: getattr(pull, k) for k in ("number", "title", "body", "state", "merged", "author")}, **sides}

    def pull(self, pull: Pull) -> Json:
        return shapes.pull(self.api, self._repository(self.full_name), self._repository(pull.fork or self.full_name), self._told(pull))

    def comment(self, identity: int) -> Json:
        return shapes.comment(self.api, self.full_name, self.comments[identity][0], identity, *self.comments[identity][1:])

    # --- the API -------------------------------------------------------------------------------------------------------

    @property
    def app(self) -> Starlette:
        repo = f"/repos/{self.full_name}"
        routes: list[tuple[str, str, Work]] = [
            ("GET", "/user", lambda who, _, __: self._viewer(who)),
            ("GET", repo, lambda _, __, ___: self._whole_repository()),
            ("GET", f"{repo}/pulls", self._list_pulls),
            ("POST", f"{repo}/pulls", self._create_pull),
            ("GET", f"{repo}/pulls/{{number:int}}", lambda _, at, __: self.pull(self._pull(at))),
            ("PATCH", f"{repo}/pulls/{{number:int}}", self._update_pull),
            ("GET", f"{repo}/pulls/{{number:int}}/commits", self._list_commits),
            ("GET", f"{repo}/pulls/{{number:int}}/reviews", self._list_reviews),
            ("POST", f"{repo}/pulls/{{number:int}}/reviews", self._create_review),
            ("GET", f"{repo}/git/ref/{{ref:path}}", self._ref),
            ("GET", f"{repo}/collaborators/{{login}}/permission", self._permission),
            ("GET", f"{repo}/issues/{{number:int}}/comments", self._list_comments),
            ("POST", f"{repo}/issues/{{number:int}}/comments", self._create_comment),
            ("PATCH", f"{repo}/issues/comments/{{id:int}}", self._update_comment),
            ("POST", f"{repo}/issues/comments/{{id:int}}/reactions", self._react),
            ("GET", f"{repo}/commits/{{ref}}/check-runs", self._list_checks),
            ("POST", f"{repo}/check-runs", self._create_check),
            ("PATCH", f"{repo}/check-runs/{{id:int}}", self._update_check),
            ("POST", f"{repo}/code-scanning/sarifs", self._sarif),
        ]
        return self.application(routes)

    def refusal(self, status: int, message: str) -> Json:
        return {"message": message, "documentation_url": "https://docs.github.com/rest"}

    def _viewer(self, who: str) -> Json:
        if who.endswith("[bot]"):
            raise Answer(403, "Resource not accessible by integration")
        return {
            **shapes.user(self.api, who), "name": None, "company": None, "blog": None, "location": None, "email": None, "hireable": None,
            "bio": None, "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0, "created_at": shapes.MOMENT,
            "updated_at": shapes.MOMENT, "user_view_type": "public",
        }  # fmt: skip

    def _pull(self, at: Json) -> Pull:
        return self.pulls[int(at["number"])]

    def _list_pulls(self, _: str, at: Json, __: Any) -> list[Json]:
        branch, state = at.get("head", "").rpartition(":")[2], at.get("state", "open")
        found = [p for p in self.pulls.values() if state in (p.state, "all") and (not branch or p.branch == branch)]
        return [self.pull(p) for p in found]

    def _create_pull(self, who: str, _: Json, body: Json) -> tuple[int, Json]:
        self.tip(body["head"])
        if any(p.branch == body["head"] and p.state == "open" for p in self.pulls.values()):
            raise Answer(422, "A pull request already exists for this branch.")
        made = self.added(body["head"], body["title"], who, body["base"], body.get("body", ""))
        return 201, self.pull(made)

    def _update_pull(self, _: str, at: Json, body: Json) -> Json:
        pull = self._pull(at)
        pull.title, pull.body, pull.state = body.get("title", pull.title), body.get("body", pull.body), body.get("state", pull.state)
        return self.pull(pull)

    def _list_commits(self, _: str, at: Json, __: Any) -> list[Json]:
        pull = self._pull(at)
        told = self.git("log", "--format=%H %an", f"refs/heads/{pull.base}..{self.head(pull)}").splitlines()
        page, size = int(at.get("page", 1)), int(at.get("per_page", 30))
        return [shapes.commit(self.api, self.full_name, *line.split(" ", 1)) for line in told[::-1][(page - 1) * size : page * size]]

    def _list_reviews(self, _: str, at: Json, __: Any) -> list[Json]:
        page, size = int(at.get("page", 1)), int(at.get("per_page", 30))
        found = [(i, r) for i, r in self.reviews.items() if r[0] == int(at["number"])]
        return [shapes.review(self.api, self.full_name, r[0], i, *r[1:]) for i, r in found[(page - 1) * size : page * size]]

    def _create_review(self, who: str, at: Json, body: Json) -> Json:
        pull = self._pull(at)
        for one in body.get("comments", ()):
            lines = range(one.get("start_line", one["line"]), one["line"] + 1)
            if not set(lines) <= self.shown_lines(pull, one["path"]):
                raise Answer(422, "Unprocessable Entity: line must be part of the diff")
            self.suggestions.append({"number": pull.number, **one})
        identity = next(self._ids)
        self.reviews[identity] = (pull.number, who, "COMMENTED", body.get("commit_id", self.head(pull)), body.get("body") or "")
        return shapes.review(self.api, self.full_name, pull.number, identity, *self.reviews[identity][1:])

    def _ref(self, _: str, at: Json, __: Any) -> Json:
        try:
            sha = self.git("rev-parse", f"refs/{at['ref']}")
        except subprocess.CalledProcessError:
            raise Answer(404, "Not Found") from None
        url = f"{self.api}/repos/{self.full_name}/git"
        told = {"sha": sha, "type": "commit", "url": f"{url}/commits/{sha}"}
        return {"ref": f"refs/{at['ref']}", "node_id": "REF", "url": f"{url}/refs/{at['ref']}", "object": told}

    def _permission(self, _: str, at: Json, __: Any) -> Json:
        if at["login"] not in self.roles:
            raise Answer(404, f"{at['login']} is not a user")
        return shapes.collaborator(self.api, at["login"], self.roles[at["login"]])

    def _list_comments(self, _: str, at: Json, __: Any) -> list[Json]:
        page, size = int(at.get("page", 1)), int(at.get("per_page", 30))
        self._pull(at)
        found = [i for i, c in self.comments.items() if c[0] == int(at["number"])]
        return [self.comment(i) for i in found[(page - 1) * size : page * size]]

    def _create_comment(self, who: str, at: Json, body: Json) -> tuple[int, Json]:
        _require_short(body["body"], _COMMENT, "body")
        return 201, self.comment(self.commented(self._pull(at), who, body["body"]))

    def _update_comment(self, who: str, at: Json, body: Json) -> Json:
        number, author, _ = self.comments[at["id"]]
        if author != who:
            raise Answer(403, "Must have admin rights to Repository.")
        _require_short(body["body"], _COMMENT, "body")
        self.comments[at["id"]] = (number, author, body["body"])
        return self.comment(at["id"])

    def _react(self, who: str, at: Json, body: Json) -> tuple[int, Json]:
        self.reactions.append((self.comments[at["id"]] and at["id"], body["content"]))
        told = {"id": next(self._ids), "node_id": "REA", "user": shapes.user(self.api, who), "content": body["content"]}
        return 201, {**told, "created_at": shapes.MOMENT}

    def _list_checks(self, _: str, at: Json, __: Any) -> Json:
        name = at.get("check_name")
        found = [i for i, c in self.checks.items() if c["head_sha"] == at["ref"] and name in (None, c["name"])]
        return {"total_count": len(found), "check_runs": [self._check(i) for i in found]}

    def _check(self, identity: int) -> Json:
        return shapes.check_run(self.api, self.full_name, identity, self.checks[identity])

    def _create_check(self, who: str, _: Json, body: Json) -> tuple[int, Json]:
        if not who.endswith("[bot]"):
            raise Answer(403, "You must authenticate via a GitHub App.")
        identity = next(self._ids)
        self.checks[identity] = {"output": {}}
        self._take_check(identity, body)
        return 201, self._check(identity)

    def _update_check(self, _: str, at: Json, body: Json) -> Json:
        self._take_check(at["id"], body)
        return self._check(at["id"])

    def _take_check(self, identity: int, body: Json) -> None:
        """Annotations are added to those that are there, as GitHub does."""
        held, output = self.checks[identity], body.get("output") or {}
        if len(output.get("annotations", ())) > _ANNOTATIONS:
            raise Answer(422, "No more than 50 annotations are allowed.")
        _require_short(output.get("summary", ""), _SUMMARY, "summary")
        before = (held.get("output") or {}).get("annotations", [])
        self.checks[identity] = {**held, **body}
        if output:
            self.checks[identity]["output"] = {**output, "annotations": [*before, *output.get("annotations", ())]}

    def _sarif(self, _: str, __: Json, body: Json) -> tuple[int, Json]:
        self.sarifs.append({**body, "sarif": json.loads(gzip.decompress(base64.b64decode(body["sarif"])))})
        return 202, {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, body["commit_sha"])), "url": f"{self.api}/repos/{self.full_name}/sarifs/1"}


def post(url: str, kind: str, raw: bytes, secret: str, delivery: str = "") -> int:
    """Deliver an event as GitHub does; the status of the answer."""
    signature = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json", "x-github-event": kind, "x-github-delivery": delivery or str(uuid.uuid4()),
        "x-hub-signature-256": f"sha256={signature}", "user-agent": "GitHub-Hookshot/1",
    }  # fmt: skip
    try:
        with urllib.request.urlopen(urllib.request.Request(url, raw, headers), timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def _require_short(text: str, most: int, what: str) -> None:
    if len(text) > most:
        raise Answer(422, f"Validation Failed: {what} is too long (maximum is {most} characters)")
