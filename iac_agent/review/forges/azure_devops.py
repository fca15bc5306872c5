"""Azure DevOps: one thread that is kept up to date, a status of the pull request, suggestions.

Sources: https://learn.microsoft.com/rest/api/azure/devops (version 7.1). A comment takes 150,000 characters. Who may push is asked of the
permissions of the repository (namespace 2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87, bit 4). A vote bears no commit: one counts that was given
after the last push.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from iac_agent.errors import ForgeFailed, UsageError
from iac_agent.review.comment import fenced, headline
from iac_agent.review.forges import Event, PullRequest, State, Suggestion
from iac_agent.review.report import Review

if TYPE_CHECKING:
    import httpx

LIMIT = 149_000
_VERSION = "7.1"
_GIT_PERMISSIONS = "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87"
_CONTRIBUTE = 4
_APPROVED = "10"
_STATES: dict[str, State] = {"active": "open", "completed": "merged"}
_STATUS = {"refused": "failed", "failed": "error", "approval": "succeeded", "warned": "succeeded", "passed": "succeeded"}
Json = dict[str, Any]


class AzureDevOps:
    """One repository of a project of an organisation."""

    name = "azure-devops"
    limit = LIMIT

    def __init__(self, client: httpx.Client, organisation: str, identities: str, project: str, repository: str) -> None:
        self._client, self._organisation, self._identities = client, organisation.rstrip("/"), identities.rstrip("/")
        self.project, self.repository = project, repository
        self._base = f"{self._organisation}/{quote(project)}/_apis/git/repositories/{quote(repository)}"

    @classmethod
    def from_environment(cls, told: Mapping[str, str], repository: str) -> AzureDevOps:
        """Signed in by AZURE_DEVOPS_TOKEN (a personal access token) or SYSTEM_ACCESSTOKEN (of a pipeline's run)."""
        try:
            import httpx
        except ImportError as problem:
            raise UsageError("reviews on Azure DevOps need the `httpx` package", hint="pip install 'iac-agent[review]'") from problem
        organisation, project = told.get("SYSTEM_COLLECTIONURI", ""), told.get("SYSTEM_TEAMPROJECT", "")
        if not organisation or not project:
            raise UsageError("which organisation and project are meant? SYSTEM_COLLECTIONURI and SYSTEM_TEAMPROJECT are not set")
        if told.get("AZURE_DEVOPS_TOKEN"):
            signed = "Basic " + base64.b64encode(f":{told['AZURE_DEVOPS_TOKEN']}".encode()).decode()
        elif told.get("SYSTEM_ACCESSTOKEN"):
            signed = f"Bearer {told['SYSTEM_ACCESSTOKEN']}"
        else:
            raise UsageError("there is no token for Azure DevOps", hint="Set AZURE_DEVOPS_TOKEN, or map SYSTEM_ACCESSTOKEN in the step.")
        identities = told.get("AZURE_DEVOPS_IDENTITIES", organisation.replace("https://dev.azure.com", "https://vssps.dev.azure.com"))
        client = httpx.Client(headers={"authorization": signed}, timeout=30, transport=httpx.HTTPTransport(retries=3))
        return cls(client, organisation, identities, project, repository)

    def remote(self) -> tuple[str, str]:
        url = f"{self._organisation}/{quote(self.project)}/_git/{quote(self.repository)}"
        return str(self._ask("GET", self._base)["remoteUrl"]) or url, f"Authorization: {self._client.headers['authorization']}"

    def _ask(self, method: str, url: str, body: Any = None, **query: str) -> Any:
        """The answer of the API as JSON. Raises ForgeFailed."""
        with _translated(url.rpartition("_apis/")[2]):
            answer = self._client.request(method, url, params={"api-version": _VERSION, **query}, json=body)
        told = answer.headers.get("content-type", "")
        if answer.status_code >= 400 or "json" not in told:  # a wrong token gets a page to sign in
            status = 401 if answer.status_code == 203 else answer.status_code
            said = str(answer.json().get("message", "")) if "json" in told else ""
            hint = "Is the token right, and does it have Code (read & write)?" if status in (401, 403) else ""
            raise ForgeFailed(f"Azure DevOps answered {status} about {url.rpartition('_apis/')[2]}: {said}"[:300], status, hint=hint)
        return answer.json()

    # --- what is there -----------------------------------------------------------------------------------------------

    def pull(self, number: int) -> PullRequest:
        found = self._ask("GET", f"{self._base}/pullrequests/{number}")
        branch, into = (found[n].removeprefix("refs/heads/") for n in ("sourceRefName", "targetRefName"))
        main = str(self._ask("GET", self._base).get("defaultBranch", "")).removeprefix("refs/heads/")
        tip, default = (self._tip(b) for b in (into, main))
        state = _STATES.get(found["status"], "closed")
        author, head = found["createdBy"]["uniqueName"], found["lastMergeSourceCommit"]["commitId"]
        return PullRequest(number, found["title"], author, state, head, tip, branch, into, default, main, bool(found.get("forkSource")))

    def _tip(self, branch: str) -> str:
        refs = self._ask("GET", f"{self._base}/refs", filter=f"heads/{branch}")["value"]
        return next((str(r["objectId"]) for r in refs if r["name"] == f"refs/heads/{branch}"), "")

    def may_write(self, user: str) -> bool:
        found = self._ask("GET", f"{self._identities}/_apis/identities", searchFilter="General", filterValue=user)["value"]
        mine = [i for i in found if _account(i).lower() == user.lower() and i.get("isActive", True)]
        if len(mine) != 1:
            return False
        repository = self._ask("GET", self._base)
        token = f"repoV2/{repository['project']['id']}/{repository['id']}"
        lists = self._ask(
            "GET",
            f"{self._organisation}/_apis/accesscontrollists/{_GIT_PERMISSIONS}",
            token=token,
            descriptors=mine[0]["descriptor"],
            includeExtendedInfo="true",
        )["value"]
        entries = [e for one in lists for e in one["acesDictionary"].values() if e["descriptor"] == mine[0]["descriptor"]]
        return any((e.get("extendedInfo") or {}).get("effectiveAllow", 0) & _CONTRIBUTE for e in entries)

    def approvers(self, pull: PullRequest) -> frozenset[str]:
        pushes = self._ask("GET", f"{self._base}/pullrequests/{pull.number}/iterations")["value"]
        last = max((datetime.fromisoformat(p["createdDate"]) for p in pushes), default=datetime.min.replace(tzinfo=UTC))
        votes: dict[str, str] = {}
        for thread in self._threads(pull.number):
            told = {k: v.get("$value") for k, v in (thread.get("properties") or {}).items() if isinstance(v, dict)}
            if told.get("CodeReviewThreadType") == "VoteUpdate" and datetime.fromisoformat(thread["publishedDate"]) > last:
                who = thread["identities"][told["CodeReviewVotedByIdentity"]]["uniqueName"]
                votes[who] = str(told.get("CodeReviewVoteResult"))
        approved = {w for w, v in votes.items() if v == _APPROVED and w != pull.author}
        return frozenset(w for w in approved if self.may_write(w))

    def _threads(self, number: int) -> list[Json]:
        """The threads of a pull request, in the order of their time."""
        found = self._ask("GET", f"{self._base}/pullrequests/{number}/threads")["value"]
        return sorted(found, key=lambda t: datetime.fromisoformat(t["publishedDate"]))

    # --- what is said ------------------------------------------------------------------------------------------------

    def comment(self, number: int, marker: str, body: str) -> str:
        threads = f"{self._base}/pullrequests/{number}/threads"
        page = f"{self._organisation}/{quote(self.project)}/_git/{quote(self.repository)}/pullrequest/{number}"
        who = self._who()
        for thread in self._threads(number):
            first = (thread.get("comments") or [{}])[0]
            if str(first.get("content", "")).startswith(marker) and first["author"]["id"] == who:
                if first["content"] != body:
                    self._ask("PATCH", f"{threads}/{thread['id']}/comments/{first['id']}", {"content": body})
                return f"{page}?discussionId={thread['id']}"
        comment = {"parentCommentId": 0, "content": body, "commentType": "text"}
        made = self._ask("POST", threads, {"comments": [comment], "status": "closed"})
        return f"{page}?discussionId={made['id']}"

    def _who(self) -> str:
        return str(
            self._ask("GET", f"{self._organisation}/_apis/connectionData", **{"api-version": "7.1-preview"})["authenticatedUser"]["id"]
        )

    def publish(self, pull: PullRequest, review: Review, body: str, link: str) -> None:
        told: Json = {
            "state": _STATUS[review.outcome],
            "description": headline(review)[:400],
            "context": {"name": "review", "genre": "iacagent"},
        }
        if link.startswith("http"):
            told["targetUrl"] = link
        self._ask("POST", f"{self._base}/pullrequests/{pull.number}/statuses", told)

    def suggest(self, pull: PullRequest, suggestions: Sequence[Suggestion]) -> None:
        for one in suggestions:
            content = f"{one.why}\n\n{fenced(one.text, 'suggestion')}"
            place = {
                "filePath": f"/{one.path}",
                "rightFileStart": {"line": one.first, "offset": 1},
                "rightFileEnd": {"line": one.last, "offset": 10_000},
            }
            comment = {"parentCommentId": 0, "content": content, "commentType": "text"}
            told = {"comments": [comment], "status": "active", "threadContext": place}
            self._ask("POST", f"{self._base}/pullrequests/{pull.number}/threads", told)

    def seen(self, event: Event) -> None:
        """Azure DevOps has no reaction but a like, which says something else."""

    # --- pull requests of ours -----------------------------------------------------------------------------------------

    def proposed(self, branch: str) -> int | None:
        query = {"searchCriteria.sourceRefName": f"refs/heads/{branch}", "searchCriteria.status": "active"}
        found = self._ask("GET", f"{self._base}/pullrequests", **query)["value"]
        return int(found[0]["pullRequestId"]) if found else None

    def propose(self, branch: str, into: str, title: str, body: str) -> int:
        number = self.proposed(branch)
        told: Json = {"title": title, "description": body[:4000]}  # a description takes no more
        if number is not None:
            self._ask("PATCH", f"{self._base}/pullrequests/{number}", told)
            return number
        refs = {"sourceRefName": f"refs/heads/{branch}", "targetRefName": f"refs/heads/{into}"}
        return int(self._ask("POST", f"{self._base}/pullrequests", {**told, **refs})["pullRequestId"])

    def withdraw(self, number: int, why: str) -> None:
        self.comment(number, "<!-- iacagent:withdrawn -->", f"<!-- iacagent:withdrawn -->\n{why}\n")
        self._ask("PATCH", f"{self._base}/pullrequests/{number}", {"status": "abandoned"})

    def close(self) -> None:
        self._client.close()

    # --- what is heard -------------------------------------------------------------------------------------------------

    def event(self, kind: str, payload: Any) -> Event | None:
        told = payload["resource"]
        request = told.get("pullRequest", told)
        repository = request["repository"]
        if (repository["project"]["name"], repository["name"]) != (self.project, self.repository):
            return None
        number = int(request["pullRequestId"])
        if kind == "git.pullrequest.created":
            return Event("opened", number)
        if kind == "git.pullrequest.updated":
            return Event("opened" if request["status"] == "active" else "closed", number)
        if kind == "git.pullrequest.merged":
            return None  # the merge that is tried at each push
        if kind == "ms.vss-code.git-pullrequest-comment-event":
            comment = told["comment"]
            if comment.get("commentType") == "system" or comment["publishedDate"] != comment["lastUpdatedDate"]:
                return None
            identity = f"{number}-{comment['_links']['threads']['href'].rpartition('/')[2]}-{comment['id']}"
            return Event("commented", number, str(comment["author"]["uniqueName"]), str(comment.get("content", "")), identity)
        return None


def _account(identity: Json) -> str:
    """The name that somebody signs in with."""
    return str((identity.get("properties") or {}).get("Account", {}).get("$value", ""))


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    """httpx's errors as ours. Raises ForgeFailed."""
    import httpx

    try:
        yield
    except httpx.HTTPError as problem:
        raise ForgeFailed(f"Azure DevOps could not be asked about {what}: {problem}"[:300]) from problem
