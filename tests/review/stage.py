"""A repository with three root modules, applied in a gym, on a GitHub of this machine: what the tests of the bot play on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iac_agent.cli import review_wiring
from iac_agent.gym.daemon import Gym
from iac_agent.gym.forges import Heard, serving
from iac_agent.gym.forges.azure_devops import AzureDevOpsForge
from iac_agent.gym.forges.github import GitHubForge
from iac_agent.gym.forges.gitlab import GitLabForge
from iac_agent.gym.forges.hosted import Pull
from iac_agent.review.bot import Bot
from iac_agent.review.forges import Forge
from iac_agent.terraform.binary import find
from tests.conftest import ROOT, zygote
from tests.review.repositories import git

PLATFORM = ROOT / "examples" / "platform"
SECRET = "a secret of the webhook"
KEEP_KEY = "a secret of at least thirty-two characters"
FORGES: dict[str, Any] = {"github": GitHubForge, "gitlab": GitLabForge, "azure-devops": AzureDevOpsForge}
ROLES = {"ann": "write", "ben": "write", "cat": "admin", "eve": "read"}


@dataclass
class Stage:
    """`work` is somebody's clone of the repository on the forge; `home` is where the bot keeps its things."""

    folder: Path
    gym: Gym
    forge: Any
    work: Path
    kind: str = "github"
    heard: list[Heard] = field(default_factory=list)
    extra: dict[str, str] = field(default_factory=dict)
    lines: list[Forge] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def environment(self) -> dict[str, str]:
        told = {
            "github": {
                "GITHUB_API_URL": self.forge.api,
                "GITHUB_REPOSITORY": self.forge.full_name,
                "GITHUB_TOKEN": "token-of-the-bot",
                "GITHUB_WEBHOOK_SECRET": SECRET,
            },
            "gitlab": {
                "CI_SERVER_URL": self.forge.api,
                "CI_PROJECT_PATH": self.forge.full_name,
                "GITLAB_TOKEN": "token-of-the-bot",
                "GITLAB_WEBHOOK_SECRET": SECRET,
            },
            "azure-devops": {
                "SYSTEM_COLLECTIONURI": f"{self.forge.api}/",
                "SYSTEM_TEAMPROJECT": "octo",
                "BUILD_REPOSITORY_NAME": "platform",
                "AZURE_DEVOPS_TOKEN": "token-of-the-bot",
                "AZURE_DEVOPS_WEBHOOK_SECRET": SECRET,
            },
        }[self.kind] | {"IACAGENT_KEEP_KEY": KEEP_KEY}
        return {**os.environ, **self.gym.environment(5), **told, **self.extra}

    def terraform(self, place: str, *arguments: str, check: bool = True) -> str:
        command = [*find().command, *arguments, "-no-color"]
        done = subprocess.run(command, cwd=self.work / place, env=self.environment, capture_output=True, text=True)
        if check and done.returncode:
            raise AssertionError(f"terraform {arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            (self.work / name).parent.mkdir(parents=True, exist_ok=True)
            (self.work / name).write_text(text, encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.work / name).read_text("utf-8")
        assert old in text, f"{old!r} is not in {name}"
        (self.work / name).write_text(text.replace(old, new), encoding="utf-8")

    def push(self, branch: str, message: str = "change") -> str:
        """Commit everything, and push it as the branch."""
        git(self.work, "add", "-A")
        git(self.work, "commit", "--quiet", "--allow-empty", "-m", message)
        git(self.work, "push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}")
        return git(self.work, "rev-parse", "HEAD")

    def switch(self, branch: str) -> None:
        git(self.work, "checkout", "--quiet", "--force", branch)

    def branch(self, name: str) -> None:
        """A new branch on top of main."""
        self.switch("main")
        git(self.work, "checkout", "--quiet", "-B", name)

    def on_main(self, message: str = "work of somebody else") -> str:
        """Push what is in the work tree to main."""
        return self.push("main", message)

    def pull(self, title: str = "A change", author: str = "ann", branch: str = "change", fork: str = "") -> Pull:
        self.push(branch, title)
        return self.forge.open_pull(branch, title, author, fork=fork)

    def bot(self) -> Bot:
        """The bot in this process, with a copy of the repository of its own."""
        told = self.environment
        forge = review_wiring.forge(self.kind, told)
        self.lines.append(forge)
        return review_wiring.bot(forge, review_wiring.mirror(self.home / "repository.git", forge), told, self.home, self.home / "plans")

    def review(self, pull: Pull) -> str:
        """Review it; the comment."""
        bot = self.bot()
        bot.review(bot.forge.pull(pull.number))
        return next(t for t in self.forge.said(pull.number) if t.startswith("<!-- iacagent:review"))

    def command(self, pull: Pull, login: str, text: str) -> str:
        """Somebody comments; what the bot answers."""
        identity = self.forge.say(pull, login, text)
        bot = self.bot()
        told = self.forge.note_event(identity) if self.kind == "gitlab" else self.forge.comment_event(identity)
        event = bot.forge.event(told.get("eventType", "issue_comment"), told)
        assert event is not None
        bot.handle(event)
        return next((t for t in self.forge.said(pull.number) if t.startswith(f"<!-- iacagent:answer {event.comment} -->")), "")

    def iacagent(self, *arguments: str, cwd: Path | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
        return zygote().run(list(arguments), cwd or self.work, {**self.environment, **extra})


def build(folder: Path, gym: Gym) -> None:
    """The repository below `folder`, with the storage of its states and every root module applied."""
    work, create = folder / "work", folder / "create"
    shutil.copytree(PLATFORM, work, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*", ".iacagent"))
    git(work, "init", "--quiet", "--initial-branch=main")
    git(work, "add", "-A")
    git(work, "commit", "--quiet", "-m", "The platform")
    shutil.copytree(ROOT / "state_backends" / "azurerm" / "create", create)
    environment = {**os.environ, **gym.environment(5)}
    applied = [(create, ("-var", "name=stplatformstate")), *((work / "live" / place, ()) for place in ("network", "web", "jobs"))]
    for directory, given in applied:
        for command in (("init",), ("apply", "-auto-approve", *given)):
            subprocess.run([*find().command, *command, "-no-color"], cwd=directory, env=environment, check=True, capture_output=True)


@contextmanager
def raised(folder: Path, gym: Gym, kind: str = "github", built: Path | None = None) -> Iterator[Stage]:
    """The stage, as it was built, or built now."""
    if built is None:
        build(folder, gym)
    else:
        shutil.copytree(built / "work", folder / "work", symlinks=True)
    bare, work = folder / "platform.git", folder / "work"
    git(folder, "clone", "--quiet", "--bare", str(work), str(bare))
    git(work, "remote", "add", "origin", str(bare))
    forge = FORGES[kind](bare, roles=dict(ROLES))
    stage = Stage(folder, gym, forge, work, kind)
    forge.listener = stage.heard.append
    with serving(forge.app) as address:
        forge.api = address
        yield stage
        for line in stage.lines:
            line.close()
