"""A small Azure DevOps: pull requests of one real git repository, their threads, votes, statuses and suggestions.

Source: https://learn.microsoft.com/rest/api/azure/devops (version 7.1)
"""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request

from iac_agent.gym.forges.hosted import Answer, Hosted, Json, Pull, Work

_COMMENT = 150_000
_NAMESPACE = "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87"
_RIGHTS = {"read": 2, "write": 6, "admin": 0xFFFF}


@dataclass
class AzureDevOpsForge(Hosted):
    """One repository on Azure DevOps; `full_name` is project/repository. People are named by the account that they sign in with."""

    pushes: dict[int, list[str]] = field(default_factory=dict)
    votes: dict[int, list[tuple[str, str, str]]] = field(default_factory=dict)
    statuses: list[Json] = field(default_factory=list)
    suggestions: list[Json] = field(default_factory=list)
    _minute: int = 0

    @property
    def project(self) -> str:
        return self.full_name.partition("/")[0]

    @property
    def name(self) -> str:
        return self.full_name.partition("/")[2]

    def _moment(self) -> str:
        self._minute += 1
        return f"2026-11-28T12:{self._minute // 60:02}:{self._minute % 60:02}Z"

    # --- what people do ------------------------------------------------------------------------------------------------

    def open_pull(self, branch: str, title: str, author: str, *, fork: str = "") -> Pull:
        made = self.added(branch, title, author, fork=fork)
        self.pushed(made)
        return made

    def pushed(self, pull: Pull) -> None:
        """Commits were added."""
        self.pushes.setdefault(pull.number, []).append(self._moment())

    def say(self, pull: Pull, login: str, text: str) -> int:
        return self.commented(pull, login, text)

    def approve(self, pull: Pull, login: str, vote: str = "10") -> None:
        self.votes.setdefault(pull.number, []).append((login, vote, self._moment()))

    def pull_event(self, pull: Pull, kind: str = "git.pullrequest.created") -> Json:
        return {"eventType": kind, "resource": self._request(pull)}

    def comment_event(self, identity: int) -> Json:
        number = self.comments[identity][0]
        comment = {**self._comment(identity), "_links": {"threads": {"href": f"{self.api}/threads/{identity}"}}}
        told = {"comment": comment, "pullRequest": self._request(self.pulls[number])}
        return {"eventType": "ms.vss-code.git-pullrequest-comment-event", "resource": told}

    # --- shapes --------------------------------------------------------------------------------------------------------

    @staticmethod
    def _identity(login: str) -> Json:
        return {"id": f"id-of-{login}", "uniqueName": login, "displayName": login}

    def _whole(self) -> Json:
        return {
            "id": "repo-1",
            "name": self.name,
            "project": {"id": "project-1", "name": self.project},
            "remoteUrl": f"file://{self.repository}",
            "defaultBranch": "refs/heads/main",
        }

    def _request(self, pull: Pull) -> Json:
        head = self.tip(pull.branch)
        self.git("update-ref", f"refs/pull/{pull.number}/merge", head)
        status = "completed" if pull.merged else "active" if pull.state == "open" else "abandoned"
        told = {
            "pullRequestId": pull.number, "title": pull.title, "description": pull.body, "status": status,
            "createdBy": self._identity(pull.author), "sourceRefName": f"refs/heads/{pull.branch}",
            "targetRefName": f"refs/heads/{pull.base}", "lastMergeSourceCommit": {"commitId": head}, "repository": self._whole(),
        }  # fmt: skip
        return {**told, **({"forkSource": {"name": pull.fork}} if pull.fork else {})}

    def _comment(self, identity: int) -> Json:
        _, login, text = self.comments[identity]
        moment = "2026-11-28T12:00:00Z"
        told = {"id": 1, "parentCommentId": 0, "author": self._identity(login), "content": text, "commentType": "text"}
        return {**told, "publishedDate": moment, "lastUpdatedDate": moment}

    # --- the API -------------------------------------------------------------------------------------------------------

    @property
    def app(self) -> Starlette:
        repo = f"/{self.project}/_apis/git/repositories/{self.name}"
        request = f"{repo}/pullrequests/{{number:int}}"
        routes: list[tuple[str, str, Work]] = [
            ("GET", "/_apis/connectionData", lambda who, _, __: {"authenticatedUser": self._identity(who)}),
            ("GET", "/_apis/identities", self._identities),
            ("GET", f"/_apis/accesscontrollists/{_NAMESPACE}", self._rights),
            ("GET", repo, lambda _, __, ___: self._whole()),
            ("GET", f"{repo}/refs", self._refs),
            ("GET", f"{repo}/pullrequests", self._list),
            ("POST", f"{repo}/pullrequests", self._create),
            ("GET", request, lambda _, at, __: self._request(self.pulls[at["number"]])),
            ("PATCH", request, self._update),
            ("GET", f"{request}/iterations", self._iterations),
            ("GET", f"{request}/threads", self._threads),
            ("POST", f"{request}/threads", self._create_thread),
            ("PATCH", f"{request}/threads/{{id:int}}/comments/{{comment:int}}", self._update_comment),
            ("POST", f"{request}/statuses", self._status),
        ]
        return self.application(routes)

    def signed_in(self, request: Request) -> str | None:
        if not request.query_params.get("api-version", "").startswith("7.1"):
            raise Answer(400, "No api-version was supplied")
        kind, _, told = request.headers.get("authorization", "").partition(" ")
        if kind == "Basic":
            told = base64.b64decode(told).decode().partition(":")[2]
        return self.tokens.get(told)

    def _identities(self, _: str, at: Json, __: Any) -> Json:
        found = [u for u in self.roles if at["filterValue"] in u]
        told = [
            {"id": f"id-of-{u}", "descriptor": f"Claims;{u}", "isActive": True, "properties": {"Account": {"$value": u}}} for u in found
        ]
        return {"count": len(told), "value": told}

    def _rights(self, _: str, at: Json, __: Any) -> Json:
        if at["token"] != "repoV2/project-1/repo-1":
            return {"count": 0, "value": []}
        login = at["descriptors"].partition(";")[2]
        allowed = {"effectiveAllow": _RIGHTS[self.roles[login]]} if at.get("includeExtendedInfo") == "true" else {}
        entry = {"descriptor": at["descriptors"], "allow": 0, "deny": 0, "extendedInfo": allowed}
        return {"count": 1, "value": [{"token": at["token"], "acesDictionary": {at["descriptors"]: entry}}]}

    def _refs(self, _: str, at: Json, __: Any) -> Json:
        listed = self.git("for-each-ref", "--format=%(refname) %(objectname)", f"refs/{at['filter']}*").splitlines()
        return {"value": [{"name": line.split()[0], "objectId": line.split()[1]} for line in listed]}

    def _list(self, _: str, at: Json, __: Any) -> Json:
        branch = at["searchCriteria.sourceRefName"].removeprefix("refs/heads/")
        return {"value": [self._request(p) for p in self.pulls.values() if p.branch == branch and p.state == "open"]}

    def _create(self, who: str, _: Json, body: Json) -> tuple[int, Json]:
        branch, into = (body[n].removeprefix("refs/heads/") for n in ("sourceRefName", "targetRefName"))
        try:
            self.tip(branch)
        except subprocess.CalledProcessError:
            raise Answer(400, "TF401398: The pull request cannot be activated because the source branch no longer exists") from None
        made = self.added(branch, body["title"], who, into, body.get("description", ""))
        self.pushed(made)
        return 201, self._request(made)

    def _update(self, _: str, at: Json, body: Json) -> Json:
        pull = self.pulls[at["number"]]
        pull.title, pull.body = body.get("title", pull.title), body.get("description", pull.body)
        pull.state = "closed" if body.get("status") == "abandoned" else pull.state
        return self._request(pull)

    def _iterations(self, _: str, at: Json, __: Any) -> Json:
        return {"value": [{"id": n, "createdDate": when} for n, when in enumerate(self.pushes[at["number"]], 1)]}

    def _threads(self, _: str, at: Json, __: Any) -> Json:
        said = [
            {"id": i, "publishedDate": "2026-11-28T12:00:00Z", "comments": [self._comment(i)], "properties": {}}
            for i, c in self.comments.items()
            if c[0] == at["number"]
        ]
        voted = [
            {
                "id": 50_000 + n, "publishedDate": when, "comments": [], "identities": {"1": self._identity(login)},
                "properties": {
                    "CodeReviewThreadType": {"$type": "System.String", "$value": "VoteUpdate"},
                    "CodeReviewVotedByIdentity": {"$type": "System.String", "$value": "1"},
                    "CodeReviewVoteResult": {"$type": "System.String", "$value": vote},
                },
            }
            for n, (login, vote, when) in enumerate(self.votes.get(at["number"], ()))
        ]  # fmt: skip
        return {"value": [*said, *voted]}

    def _create_thread(self, who: str, at: Json, body: Json) -> Json:
        text = body["comments"][0]["content"]
        if len(text) > _COMMENT:
            raise Answer(400, "The comment is too long.")
        if "threadContext" in body:
            self.suggestions.append(body)
            return {"id": next(self._ids)}
        return {"id": self.commented(self.pulls[at["number"]], who, text)}

    def _update_comment(self, who: str, at: Json, body: Json) -> Json:
        number, author, _ = self.comments[at["id"]]
        if author != who:
            raise Answer(403, "TF401027: You need the Git 'PullRequestContribute' permission")
        self.comments[at["id"]] = (number, author, body["content"])
        return self._comment(at["id"])

    def _status(self, _: str, at: Json, body: Json) -> Json:
        self.statuses.append({"number": at["number"], **body})
        return {"id": len(self.statuses), **body}
