"""Wire a review: which rules hold, what Terraform may see, and where drift is looked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from iac_agent.agent.git import Git
from iac_agent.agent.loop import Consent, Session
from iac_agent.cli import config, rules, wiring
from iac_agent.cli.config import Settings
from iac_agent.cli.main import Globals
from iac_agent.cli.render import JsonReporter
from iac_agent.drift.scan import Report
from iac_agent.errors import UsageError
from iac_agent.review.applying import Applier, BotRules, Named
from iac_agent.review.bot import Bot
from iac_agent.review.forges import Forge
from iac_agent.review.kept import Plans
from iac_agent.review.review import Reviewer, Setup
from iac_agent.review.source import Source
from iac_agent.review.touched import Pattern, Target

# What Terraform, its backends and the network need. Everything else, a forge's token before all, is kept from what is planned.
_SEEN = (
    "TF_", "ARM_", "AWS_", "PG", "LC_", "XDG_", "SSL_", "IACAGENT_GYM_", "IDENTITY_", "MSI_", "ACTIONS_ID_TOKEN_REQUEST_",
)  # fmt: skip
_SEEN_BY_NAME = frozenset(
    str.split(
        "PATH HOME USER LOGNAME LANG TMPDIR TEMP TMP SYSTEMROOT REQUESTS_CA_BUNDLE CURL_CA_BUNDLE HTTP_PROXY HTTPS_PROXY NO_PROXY "
        "http_proxy https_proxy no_proxy SSH_AUTH_SOCK GIT_SSH_COMMAND IACAGENT_TERRAFORM PYTHONPATH AZURE_CLIENT_ID "
        "AZURE_TENANT_ID AZURE_CLIENT_SECRET AZURE_CLIENT_CERTIFICATE_PATH AZURE_CLIENT_CERTIFICATE_PASSWORD AZURE_FEDERATED_TOKEN_FILE "
        "AZURE_AUTHORITY_HOST AZURE_SUBSCRIPTION_ID AZURE_CONFIG_DIR AZURE_CORE_INSTANCE_DISCOVERY"
    )
)
_WAIT_SECONDS = 1800
_NAMES = {"github": "GITHUB_REPOSITORY", "gitlab": "CI_PROJECT_PATH", "azure-devops": "BUILD_REPOSITORY_NAME"}
PLAN, APPLY = "IACAGENT_PLAN_", "IACAGENT_APPLY_"


def environment(told: Mapping[str, str], purpose: str, more: tuple[str, ...] = ()) -> dict[str, str]:
    """What Terraform sees of our environment. `purpose` is PLAN or APPLY: `IACAGENT_PLAN_ARM_CLIENT_ID` is ARM_CLIENT_ID for plans only, so
    that what reads and what writes can be two identities.
    """
    seen = {k: v for k, v in told.items() if k in more or k in _SEEN_BY_NAME or k.startswith(_SEEN)}
    seen.pop("TF_DATA_DIR", None)
    return seen | {k.removeprefix(purpose): v for k, v in told.items() if k.startswith(purpose)}


class Wiring:
    """Sets up targets by the rules in the checkout of the base. `folder` is where runs and audits of applies are kept."""

    def __init__(self, told: Mapping[str, str], folder: Path, given: Path | None = None) -> None:
        self._told, self._folder, self._given = told, folder, given

    def settings(self, top: Path, place: str = ".") -> Settings:
        """The configuration that holds for a place in a checkout. Raises UsageError."""
        return config.load(_ruled(top, place), self._given)

    def patterns(self, top: Path) -> tuple[Pattern, ...]:
        """The root modules as the configuration names them."""
        listed = self.settings(top).review.root_modules
        return tuple(Pattern(r.path, tuple(r.workspaces) or ("",), tuple(r.var_files), tuple(r.backend)) for r in listed)

    def rules(self, top: Path, place: str = ".") -> BotRules:
        """What comments may do at a place."""
        review = self.settings(top, place).review
        return BotRules(review.apply, review.approvals, review.hours, tuple(review.branches))

    def __call__(self, top: Path, rules_top: Path, target: Target, place: str) -> Setup:
        """What a target is reviewed with, by the rules of a place."""
        directory, settings = top / target.place, self.settings(rules_top, place)
        seen = self._seen(settings, target, PLAN)
        request = wiring.Request(var_files=target.given(directory).files, lock=False)
        terraform, major = wiring.terraform(directory, settings, request, seen)

        def drift() -> Report:
            from iac_agent.cli.drift_wiring import Drifts, Wanted

            if not settings.review.drift:
                return Report()
            options = Globals(directory, self._given, False, False)
            return Drifts(options, False, {"var_files": request.var_files}, seen).detect(Wanted(no_unmanaged=True))

        return Setup(terraform, rules.guard(settings.guard, _ruled(rules_top, place)), major, drift)

    def session(self, top: Path, rules_top: Path, place: str, target: Target, approver: Named, document: dict[str, Any]) -> Session:
        """What a kept plan is applied with, by the rules of a place."""
        directory, settings = top / target.place, self.settings(rules_top, place)
        wanted = approver.wanted
        consent = Consent(True, wanted.replace, wanted.destroy, wanted.unknown, wanted.include_unrelated)
        request = wiring.Request(var_files=target.given(directory).files, lock_timeout=settings.lock_timeout or "60s", consent=consent)
        made = wiring.session(
            directory,
            settings,
            request,
            JsonReporter(document, directory),
            approver,
            environment=self._seen(settings, target, APPLY),
            ruled=_ruled(rules_top, place),
            kept=self.home(target),
        )
        return replace(made, place=target.place)

    def home(self, target: Target) -> Path:
        """Where the runs and the audit of a target are kept."""
        return self._folder / "homes" / hashlib.sha256(target.name.encode()).hexdigest()[:16]

    def alone(self, target: Target) -> FileLock:
        """Held while a target is planned: one run at a time, whichever process it is in."""
        home = self.home(target)
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(str(home / "plan.lock"), timeout=_WAIT_SECONDS, thread_local=False)

    def _seen(self, settings: Settings, target: Target, purpose: str) -> dict[str, str]:
        seen = environment(self._told, purpose, tuple(settings.review.environment))
        return {**seen, **({"TF_WORKSPACE": target.workspace} if target.workspace else {})}


def _ruled(top: Path, place: str) -> Path:
    """The folder whose rules hold: the root module's, or the top where it is new."""
    return next(p for p in (top / place, top) if p.is_dir())


# --- the bot -----------------------------------------------------------------------------------------------------------


def bot(forge: Forge, source: Source, told: Mapping[str, str], home: Path, plans: Path | None, given: Path | None = None) -> Bot:
    """The bot of one repository. `home` is where applies are kept; without `plans`, a folder, no plan is."""
    wire = Wiring(told, home, given)
    made = Bot(
        forge,
        source,
        lambda: Reviewer(source.directory, wire.patterns, wire, tell=made.tell, alone=wire.alone),
        Applier(wire.session, wire.rules, home / "applying"),
        Plans(plans, told, repository(forge.name, told)) if plans is not None else None,
    )
    return made


def checkout(top: Path, forge: Forge) -> Source:
    """The checkout of a job as a source: what is missing is fetched from its origin."""
    origin = Git(top).told("remote", "get-url", "origin", accept=(0, 1, 2, 128)) if forge.name != "none" else ""
    return Source(top, lambda: (origin, ""), PULLS.get(forge.name, ""))


PULLS = {
    "github": "refs/pull/{number}/head", "gitlab": "refs/merge-requests/{number}/head", "azure-devops": "refs/pull/{number}/merge",
}  # fmt: skip


def repository(forge: str, told: Mapping[str, str]) -> str:
    """The repository's name on its forge. Raises UsageError where nothing says it."""
    name = _NAMES.get(forge)
    if name is None:
        return "here"
    if not told.get(name):
        raise UsageError(f"which repository is meant? {name} is not set")
    return told[name]


def detected(told: Mapping[str, str]) -> str:
    """The forge whose pipeline runs this; `none` outside of one."""
    if told.get("GITHUB_ACTIONS"):
        return "github"
    if told.get("GITLAB_CI"):
        return "gitlab"
    return "azure-devops" if told.get("TF_BUILD") else "none"


def forge(name: str, told: Mapping[str, str]) -> Forge:
    """A forge by its name, signed in by the environment. Raises UsageError."""
    if name == "github":
        from iac_agent.review.forges.github import GitHub

        return GitHub.from_environment(told, repository(name, told))
    if name == "gitlab":
        from iac_agent.review.forges.gitlab import GitLab

        return GitLab.from_environment(told, repository(name, told))
    from iac_agent.review.forges.azure_devops import AzureDevOps

    return AzureDevOps.from_environment(told, repository(name, told))


def naming(forge: str, name: str, told: Mapping[str, str]) -> dict[str, str]:
    """The environment, with the repository that is meant."""
    return {**told, _NAMES[forge]: name}


def mirror(directory: Path, forge: Forge, remote: str = "") -> Source:
    """A copy of a repository that the server keeps, fetched from the forge or from `remote`."""
    return Source(directory, (lambda: (remote, "")) if remote else forge.remote, PULLS[forge.name])
