"""GitHub's objects as its API and its webhooks show them, with every field that its description requires.

Source: https://github.com/github/rest-api-description
"""

from __future__ import annotations

import hashlib

from iac_agent.gym.forges.hosted import Json

MOMENT = "2026-11-28T12:00:00Z"
_USER_URLS = {
    "followers_url": "followers", "following_url": "following{/other_user}", "gists_url": "gists{/gist_id}",
    "starred_url": "starred{/owner}{/repo}", "subscriptions_url": "subscriptions", "organizations_url": "orgs", "repos_url": "repos",
    "events_url": "events{/privacy}", "received_events_url": "received_events",
}  # fmt: skip
_REPOSITORY_URLS = {
    "forks_url": "forks", "keys_url": "keys{/key_id}", "collaborators_url": "collaborators{/collaborator}", "teams_url": "teams",
    "hooks_url": "hooks", "issue_events_url": "issues/events{/number}", "events_url": "events", "assignees_url": "assignees{/user}",
    "branches_url": "branches{/branch}", "tags_url": "tags", "blobs_url": "git/blobs{/sha}", "git_tags_url": "git/tags{/sha}",
    "git_refs_url": "git/refs{/sha}", "trees_url": "git/trees{/sha}", "statuses_url": "statuses/{sha}", "languages_url": "languages",
    "stargazers_url": "stargazers", "contributors_url": "contributors", "subscribers_url": "subscribers",
    "subscription_url": "subscription", "commits_url": "commits{/sha}", "git_commits_url": "git/commits{/sha}",
    "comments_url": "comments{/number}", "issue_comment_url": "issues/comments{/number}", "contents_url": "contents/{+path}",
    "compare_url": "compare/{base}...{head}", "merges_url": "merges", "archive_url": "{archive_format}{/ref}",
    "downloads_url": "downloads", "issues_url": "issues{/number}", "pulls_url": "pulls{/number}", "milestones_url": "milestones{/number}",
    "notifications_url": "notifications{?since,all,participating}", "labels_url": "labels{/name}", "releases_url": "releases{/id}",
    "deployments_url": "deployments",
}  # fmt: skip


def number_of(text: str) -> int:
    """An id that is always the same for the same thing."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:7], 16)


def user(api: str, login: str) -> Json:
    """A person, or a bot."""
    url = f"{api}/users/{login}"
    return {
        "login": login, "id": number_of(login), "node_id": f"U_{login}", "avatar_url": f"{api}/avatars/{login}", "gravatar_id": "",
        "url": url, "html_url": f"{api}/{login}", **{name: f"{url}/{path}" for name, path in _USER_URLS.items()},
        "type": "Bot" if login.endswith("[bot]") else "User", "site_admin": False,
    }  # fmt: skip


def repository(api: str, full_name: str, clone_url: str) -> Json:
    owner, _, name = full_name.partition("/")
    url = f"{api}/repos/{full_name}"
    return {
        "id": number_of(full_name), "node_id": f"R_{name}", "name": name, "full_name": full_name, "private": True,
        "owner": user(api, owner), "html_url": f"{api}/{full_name}", "description": None, "fork": False, "url": url,
        **{field: f"{url}/{path}" for field, path in _REPOSITORY_URLS.items()},
        "created_at": MOMENT, "updated_at": MOMENT, "pushed_at": MOMENT, "git_url": clone_url, "ssh_url": clone_url,
        "clone_url": clone_url, "svn_url": f"{api}/{full_name}", "homepage": None, "size": 1, "stargazers_count": 0, "watchers_count": 0,
        "language": "HCL", "has_issues": True, "has_projects": False, "has_downloads": True, "has_wiki": False, "has_pages": False,
        "has_discussions": False, "forks_count": 0, "mirror_url": None, "archived": False, "disabled": False, "open_issues_count": 0,
        "license": None, "allow_forking": True, "is_template": False, "web_commit_signoff_required": False, "topics": [],
        "visibility": "private", "forks": 0, "open_issues": 0, "watchers": 0, "default_branch": "main", "custom_properties": {},
        "permissions": {"admin": False, "maintain": False, "push": True, "triage": True, "pull": True},
    }  # fmt: skip


def reactions(url: str) -> Json:
    kinds = ("+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket")
    return {"url": f"{url}/reactions", "total_count": 0, **dict.fromkeys(kinds, 0)}


def comment(api: str, full_name: str, number: int, identity: int, login: str, body: str) -> Json:
    url = f"{api}/repos/{full_name}/issues/comments/{identity}"
    return {
        "id": identity, "node_id": f"IC_{identity}", "url": url, "html_url": f"{api}/{full_name}/pull/{number}#issuecomment-{identity}",
        "issue_url": f"{api}/repos/{full_name}/issues/{number}", "user": user(api, login), "created_at": MOMENT, "updated_at": MOMENT,
        "author_association": "MEMBER", "performed_via_github_app": None, "body": body, "reactions": reactions(url),
    }  # fmt: skip


def pull(api: str, repo: Json, head_repo: Json, told: Json) -> Json:
    """A pull request. `told` has number, title, body, state, merged, author, head, base (sha) and both refs."""
    full_name, number = repo["full_name"], told["number"]
    url, page = f"{api}/repos/{full_name}/pulls/{number}", f"{api}/{full_name}/pull/{number}"
    issue = f"{api}/repos/{full_name}/issues/{number}"
    links = {
        "self": url, "html": page, "issue": issue, "comments": f"{issue}/comments", "review_comments": f"{url}/comments",
        "review_comment": f"{api}/repos/{full_name}/pulls/comments{{/number}}", "commits": f"{url}/commits",
        "statuses": f"{api}/repos/{full_name}/statuses/{told['head']}",
    }  # fmt: skip
    closed = MOMENT if told["state"] == "closed" else None
    return {
        "url": url, "id": number_of(url), "node_id": f"PR_{number}", "html_url": page, "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch", "issue_url": issue, "number": number, "state": told["state"], "locked": False,
        "title": told["title"], "user": user(api, told["author"]), "body": told["body"], "created_at": MOMENT, "updated_at": MOMENT,
        "closed_at": closed, "merged_at": closed if told["merged"] else None, "merge_commit_sha": None, "assignee": None, "assignees": [],
        "requested_reviewers": [], "requested_teams": [], "labels": [], "milestone": None, "draft": False,
        "commits_url": links["commits"], "review_comments_url": links["review_comments"], "review_comment_url": links["review_comment"],
        "comments_url": links["comments"], "statuses_url": links["statuses"],
        "head": _side(api, head_repo, told["head_ref"], told["head"]), "base": _side(api, repo, told["base_ref"], told["base"]),
        "_links": {name: {"href": href} for name, href in links.items()}, "author_association": "MEMBER", "auto_merge": None,
        "active_lock_reason": None, "merged": told["merged"], "mergeable": True, "rebaseable": True, "mergeable_state": "clean",
        "merged_by": None, "comments": 0, "review_comments": 0, "maintainer_can_modify": False, "commits": 1, "additions": 1,
        "deletions": 1, "changed_files": 1,
    }  # fmt: skip


def _side(api: str, repo: Json, ref: str, sha: str) -> Json:
    owner = repo["owner"]["login"]
    return {"label": f"{owner}:{ref}", "ref": ref, "sha": sha, "user": user(api, owner), "repo": repo}


def issue(api: str, full_name: str, told: Json) -> Json:
    """The issue that a pull request is too."""
    url = f"{api}/repos/{full_name}/issues/{told['number']}"
    page = f"{api}/{full_name}/pull/{told['number']}"
    return {
        "url": url, "repository_url": f"{api}/repos/{full_name}", "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments", "events_url": f"{url}/events", "html_url": page, "id": number_of(url),
        "node_id": f"I_{told['number']}", "number": told["number"], "title": told["title"], "user": user(api, told["author"]),
        "labels": [], "state": told["state"], "locked": False, "assignee": None, "assignees": [], "milestone": None, "comments": 1,
        "created_at": MOMENT, "updated_at": MOMENT, "closed_at": None, "author_association": "MEMBER", "active_lock_reason": None,
        "draft": False, "body": told["body"], "reactions": reactions(url), "timeline_url": f"{url}/timeline",
        "performed_via_github_app": None, "state_reason": None,
        "pull_request": {
            "url": f"{api}/repos/{full_name}/pulls/{told['number']}", "html_url": page, "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch", "merged_at": None,
        },
    }  # fmt: skip


def review(api: str, full_name: str, number: int, identity: int, login: str, state: str, commit: str, body: str) -> Json:
    page, url = f"{api}/{full_name}/pull/{number}#pullrequestreview-{identity}", f"{api}/repos/{full_name}/pulls/{number}"
    return {
        "id": identity, "node_id": f"PRR_{identity}", "user": user(api, login), "body": body, "state": state, "html_url": page,
        "pull_request_url": url, "_links": {"html": {"href": page}, "pull_request": {"href": url}}, "submitted_at": MOMENT,
        "commit_id": commit, "author_association": "MEMBER",
    }  # fmt: skip


def check_run(api: str, full_name: str, identity: int, told: Json) -> Json:
    """A check run. `told` is what was asked for, annotations added up."""
    url, output = f"{api}/repos/{full_name}/check-runs/{identity}", told.get("output") or {}
    return {
        "id": identity, "head_sha": told["head_sha"], "node_id": f"CR_{identity}", "external_id": told.get("external_id"), "url": url,
        "html_url": f"{api}/{full_name}/runs/{identity}", "details_url": told.get("details_url"), "status": told.get("status", "queued"),
        "conclusion": told.get("conclusion"), "started_at": MOMENT, "completed_at": told.get("completed_at"),
        "output": {
            "title": output.get("title"), "summary": output.get("summary"), "text": None,
            "annotations_count": len(output.get("annotations", ())), "annotations_url": f"{url}/annotations",
        },
        "name": told["name"], "check_suite": {"id": 1}, "app": None, "pull_requests": [],
    }  # fmt: skip


def commit(api: str, full_name: str, sha: str, name: str) -> Json:
    """A commit; its author is the user of that name."""
    url = f"{api}/repos/{full_name}/commits/{sha}"
    person = {"name": name, "email": f"{name}@example.com", "date": MOMENT}
    git = f"{api}/repos/{full_name}/git"
    told = {
        "url": f"{git}/commits/{sha}", "author": person, "committer": person, "message": "x", "comment_count": 0,
        "tree": {"sha": sha, "url": f"{git}/trees/{sha}"},
    }  # fmt: skip
    who = user(api, name)
    return {
        "sha": sha, "node_id": f"C_{sha[:8]}", "url": url, "html_url": url, "comments_url": f"{url}/comments", "commit": told,
        "author": who, "committer": who, "parents": [],
    }  # fmt: skip


def collaborator(api: str, login: str, permission: str) -> Json:
    """What a person may do in a repository."""
    role = "read" if permission == "none" else permission
    plain = "write" if permission == "maintain" else permission
    return {"permission": plain, "role_name": role, "user": {**user(api, login), "role_name": role}}
