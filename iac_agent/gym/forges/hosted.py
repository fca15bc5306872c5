"""What the forges of this machine have in common: one real git repository, people with rights, pull requests, comments, a webhook."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from iac_agent.gym.forges import Heard, Listener

Json = dict[str, Any]
Work = Callable[[str, Json, Any], Any]
_NOT_EMULATED = 501


class Answer(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class Pull:
    """A pull request; its head is what its branch points to. `fork` names the repository that the branch is in, where it is another."""

    number: int
    title: str
    author: str
    branch: str
    base: str = "main"
    body: str = ""
    state: str = "open"
    merged: bool = False
    fork: str = ""


@dataclass
class Hosted:
    """One repository. `repository` is a bare git repository, `tokens` say who signs in with what, `roles` who may do what; `listener` hears
    every request with its answer; `hook` is the address of a webhook and its secret.
    """

    repository: Path
    full_name: str = "octo/platform"
    tokens: dict[str, str] = field(default_factory=lambda: {"token-of-the-bot": "iacagent[bot]"})
    roles: dict[str, str] = field(default_factory=dict)
    listener: Listener | None = None
    api: str = ""
    hook: tuple[str, str] | None = None
    pulls: dict[int, Pull] = field(default_factory=dict)
    comments: dict[int, tuple[int, str, str]] = field(default_factory=dict)
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1000))

    # --- people and git ------------------------------------------------------------------------------------------------

    def added(self, branch: str, title: str, author: str, base: str = "main", body: str = "", fork: str = "") -> Pull:
        """A new pull request."""
        made = Pull(max(self.pulls, default=0) + 1, title, author, branch, base, body, fork=fork)
        self.pulls[made.number] = made
        return made

    def commented(self, pull: Pull, login: str, text: str) -> int:
        """A new comment; its id."""
        identity = next(self._ids)
        self.comments[identity] = (pull.number, login, text)
        return identity

    def said(self, number: int, login: str = "iacagent[bot]") -> list[str]:
        """The comments of somebody on a pull request, the oldest first."""
        return [text for n, who, text in self.comments.values() if n == number and who == login]

    def git(self, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=self.repository, check=True, capture_output=True, text=True).stdout.strip()

    def tip(self, branch: str) -> str:
        return self.git("rev-parse", f"refs/heads/{branch}")

    def shown_lines(self, pull: Pull, path: str) -> set[int]:
        """The lines of a file that the diff of a pull request shows: those that are new, with three lines around."""
        told = self.git("diff", f"refs/heads/{pull.base}...refs/heads/{pull.branch}", "--unified=3", "--", path)
        found: set[int] = set()
        for line in (x for x in told.splitlines() if x.startswith("@@ ")):
            start, _, count = line.split("+", 1)[1].split(" ")[0].partition(",")
            found |= set(range(int(start), int(start) + int(count or 1)))
        return found

    # --- answering -----------------------------------------------------------------------------------------------------

    def signed_in(self, request: Request) -> str | None:
        """Who asks, by the token of the request."""
        return self.tokens.get(request.headers.get("authorization", "").split(" ")[-1])

    def refusal(self, status: int, message: str) -> Json:
        """How this forge says that it refuses."""
        return {"message": message}

    def application(self, routes: list[tuple[str, str, Work]]) -> Starlette:
        """The routes as an application; what is none of them says that it is not emulated."""
        listed = [Route(path, self._endpoint(work), methods=[method]) for method, path, work in routes]
        unknown = Route("/{rest:path}", self._endpoint(_unknown), methods=["GET", "POST", "PATCH", "PUT", "DELETE"])
        return Starlette(routes=[*listed, unknown])

    def _endpoint(self, work: Work) -> Callable[[Request], Any]:
        async def answer(request: Request) -> JSONResponse:
            raw = await request.body()
            body = json.loads(raw) if raw else None
            try:
                who = self.signed_in(request)
                if who is None:
                    raise Answer(401, "Bad credentials")
                found = work(who, {**request.query_params, **request.path_params}, body)
                status, content = found if isinstance(found, tuple) else (200, found)
            except Answer as refused:
                status, content = refused.status, self.refusal(refused.status, refused.message)
            except KeyError as missing:
                status, content = 404, self.refusal(404, f"Not Found: {missing}")
            if self.listener is not None:
                self.listener(Heard(request.method, request.url.path, dict(request.query_params), body, status, content))
            return JSONResponse(content, status)

        return answer


def _unknown(_: str, at: Json, __: Any) -> Any:
    raise Answer(_NOT_EMULATED, f"/{at.get('rest', '')} is not emulated")
