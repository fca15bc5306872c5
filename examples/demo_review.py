"""`make demo-review`: a pull request on a repository with three root modules, reviewed by the bot on a GitHub of this machine.

It touches two of them through a shared module. The comment, the check and the SARIF are printed as they were posted; `/iacagent apply`
applies exactly the reviewed plan; a second one, after main moved, is refused.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from iac_agent.gym.daemon import Gym
from iac_agent.gym.forges import serving
from iac_agent.gym.forges.github import GitHubForge
from iac_agent.terraform.binary import find

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".demo" / "review"
SECRET = "a secret that GitHub knows too"
SPOT = """
variable "spot" {
  description = "Whether Azure may take the machine away."
  type        = bool
  default     = false
}
"""


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def git(*arguments: str, cwd: Path = WORK / "platform") -> str:
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
    return subprocess.run(["git", *who, *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()


def terraform(cwd: Path, *arguments: str) -> str:
    command = [*find().command, *arguments, "-no-color"]
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


def until(holds: object, what: str) -> None:
    end = time.monotonic() + 60
    while not holds():  # type: ignore[operator]
        if time.monotonic() > end:
            sys.exit(f"{what} did not happen")
        time.sleep(0.1)


def edit(name: str, old: str, new: str) -> None:
    file = WORK / "platform" / name
    file.write_text(file.read_text().replace(old, new))


def main() -> None:
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    gym = Gym(Path(tempfile.mkdtemp(prefix="ia-")))
    try:
        gym.up()
        os.environ |= gym.environment(5)
        forge = repository()
        with serving(forge.app) as address:
            forge.api = address
            scenes(forge)
    finally:
        gym.remove()


def repository() -> GitHubForge:
    """examples/platform on a GitHub of this machine, with the storage of its states, applied."""
    shutil.copytree(ROOT / "examples" / "platform", WORK / "platform", ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    shutil.copytree(ROOT / "state_backends" / "azurerm" / "create", WORK / "states")
    terraform(WORK / "states", "init")
    terraform(WORK / "states", "apply", "-auto-approve", "-var", "name=stplatformstate")
    git("init", "--quiet", "--initial-branch=main")
    git("add", "-A")
    git("commit", "--quiet", "-m", "The platform")
    git("clone", "--quiet", "--bare", "platform", "platform.git", cwd=WORK)
    git("remote", "add", "origin", "../platform.git")
    for place in ("network", "web", "jobs"):
        terraform(WORK / "platform" / "live" / place, "init")
        terraform(WORK / "platform" / "live" / place, "apply", "-auto-approve")
    return GitHubForge(WORK / "platform.git", roles={"ann": "write", "ben": "write"})


def scenes(forge: GitHubForge) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {
        "GITHUB_API_URL": forge.api,
        "GITHUB_TOKEN": "token-of-the-bot",
        "GITHUB_WEBHOOK_SECRET": SECRET,
        "IACAGENT_KEEP_KEY": "what keeps the reviewed plans secret",
    }
    data = str(WORK / "data")
    say(f"$ iacagent serve --forge github --repository {forge.full_name} --data {os.path.relpath(data, ROOT)} --port {port}")
    command = [sys.executable, "-m", "iac_agent.cli.main", "serve", "--forge", "github", "--repository", forge.full_name]
    command += ["--data", data, "--port", str(port), "--url", f"http://127.0.0.1:{port}", "--workers", "1"]
    with (WORK / "serve.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: answers(port), "the server")
        forge.hook = (f"http://127.0.0.1:{port}/webhooks/github", SECRET)
        reviewed(forge)
    finally:
        server.terminate()
        server.wait(60)


def answers(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


def reviewed(forge: GitHubForge) -> None:
    say("Ann opens a pull request: bigger machines by default, and Spot for jobs, through modules/machine.")
    git("checkout", "--quiet", "-b", "cheaper-jobs")
    edit("modules/machine/variables.tf", '"Standard_B2s"', '"Standard_B2ms"')
    (WORK / "platform" / "modules" / "machine" / "spot.tf").write_text(SPOT.lstrip())
    tags = "  tags                  = var.tags\n"
    spot = '  priority              = var.spot ? "Spot" : "Regular"\n  eviction_policy       = var.spot ? "Deallocate" : null\n'
    edit("modules/machine/main.tf", tags, tags + spot)
    edit("live/jobs/main.tf", "  size     = var.size\n", "  size     = var.size\n  spot     = true\n")
    git("add", "-A")
    git("commit", "--quiet", "-m", "Cheaper jobs")
    git("push", "--quiet", "origin", "cheaper-jobs")
    pull = forge.open_pull("cheaper-jobs", "Cheaper jobs", "ann")
    until(lambda: forge.sarifs, "the review")

    say("The comment, as posted:")
    print(forge.said(pull.number)[0])
    run = next(iter(forge.checks.values()))
    say("The check:")
    print(f"{run['name']} on {run['head_sha'][:12]}: {run['conclusion']}; {run['output']['title']}")
    for note in run["output"]["annotations"]:
        print(f"  {note['annotation_level']:<8} {note['path']}:{note['start_line']}  {note['title']}")
    results = forge.sarifs[0]["sarif"]["runs"][0]["results"]
    say(f"The SARIF, {len(results)} results:")
    for result in results[:4]:
        place = result["locations"][0]["physicalLocation"]
        told = f"{place['artifactLocation']['uri']}:{place['region']['startLine']}"
        print(f"  {result['level']:<8} {result['ruleId']:<8} {told:<32} {result['baselineState']}: {result['message']['text'][:70]}...")

    say("Ben approves; Ann comments: /iacagent apply")
    forge.approve(pull, "ben")
    vm = "module.jobs.azurerm_linux_virtual_machine.this"
    print(answer(forge, pull.number, "/iacagent apply"))
    say(f"She names what is replaced: /iacagent apply --allow-replace {vm}")
    print(answer(forge, pull.number, f"/iacagent apply --allow-replace {vm}"))

    say("She changes the size of jobs, is reviewed and approved; then somebody pushes to main. /iacagent apply")
    edit("live/jobs/terraform.tfvars", "Standard_D2s_v5", "Standard_D4s_v5")
    git("commit", "--quiet", "-am", "Bigger jobs")
    git("push", "--quiet", "origin", "cheaper-jobs")
    count = len(forge.checks)
    forge.pushed(pull)
    until(lambda: len(forge.checks) > count and len(forge.sarifs) > 1, "the second review")
    forge.approve(pull, "ben")
    git("checkout", "--quiet", "main")
    (WORK / "platform" / "live" / "network" / "locals.tf").write_text("locals {}\n")
    git("add", "-A")
    git("commit", "--quiet", "-m", "Locals for the network")
    git("push", "--quiet", "origin", "main")
    last = answer(forge, pull.number, "/iacagent apply")
    print(last)
    if "**Refused**: the reviewed plan is not applied" not in last:
        sys.exit("it should have been refused")


def answer(forge: GitHubForge, number: int, text: str) -> str:
    """Comment as Ann, and wait for the bot's answer."""
    before = len(forge.said(number))
    forge.say(forge.pulls[number], "ann", text)
    until(lambda: len(forge.said(number)) > before, "an answer")
    return forge.said(number)[-1].split("\n", 1)[1].strip()


if __name__ == "__main__":
    main()
