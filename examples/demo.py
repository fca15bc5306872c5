"""`make demo`: the main job from start to end, on a gym of its own, without touching the example's files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VM = "azurerm_linux_virtual_machine.web"


def say(text: str) -> None:
    print(f"\n\033[1m$ {text}\033[0m" if sys.stdout.isatty() else f"\n$ {text}", flush=True)


def run(*command: str, quiet: bool = False) -> None:
    """Run iacagent; stop the demo when it fails."""
    argv = [sys.executable, "-m", "iac_agent.cli.main", *command]
    out = subprocess.DEVNULL if quiet else None
    code = subprocess.run(argv, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        sys.exit(code)


def main() -> None:
    gym = Path(tempfile.mkdtemp(prefix="iacagent-demo-"))
    work = ROOT / ".demo" / "web-tier"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(ROOT / "examples" / "web-tier", work, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*", ".iacagent"))
    os.environ["IACAGENT_GYM_DIR"] = str(gym)
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    terraform = [sys.executable, "-m", "iac_agent.cli.terraform"]
    iacagent = [sys.executable, "-m", "iac_agent.cli.main"]
    try:
        say("iacagent gym up")
        run("gym", "up")
        say("cp -r examples/web-tier .demo/ && cd .demo/web-tier && terraform apply")
        run("-C", str(work), "gym", "exec", "--", *terraform, "init", "-input=false", "-no-color", quiet=True)
        run("-C", str(work), "gym", "exec", "--", *terraform, "apply", "-auto-approve", "-no-color", "-compact-warnings")
        say(f'iacagent apply "make vm spot" --allow-replace {VM}')
        run("-C", str(work), "gym", "exec", "--", *iacagent, "apply", "make vm spot", "--allow-replace", VM)
        say("iacagent audit verify")
        run("-C", str(work), "audit", "verify")
    finally:
        run("gym", "down", quiet=True)
        shutil.rmtree(gym, ignore_errors=True)


if __name__ == "__main__":
    main()
