"""`make demo-monitor`: three machines, one of them sick, and plain questions about them; each answer with its source.

The gym's clock is moved by hours, so that there is a day to ask about. An alert fires and is delivered to a receiver on this machine.
Nothing is written outside .demo/ and a gym of its own.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from iac_agent.gym.bench.scene import Scene
from iac_agent.gym.daemon import Gym
from iac_agent.terraform.binary import find

ROOT = Path(__file__).resolve().parent.parent
HEARD: list[dict[str, dict[str, dict[str, str]]]] = []


class Pager(http.server.BaseHTTPRequestHandler):
    """Where the action group's webhook goes."""

    def do_POST(self) -> None:
        HEARD.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what was delivered is printed below."""


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def iacagent(work: Path, *command: str) -> None:
    """Run iacagent; stop the demo when it fails."""
    say(f"$ iacagent {' '.join(f'{c!r}' if ' ' in c else c for c in command)}")
    code = subprocess.run([sys.executable, "-m", "iac_agent.cli.main", "-C", str(work), *command], check=False).returncode
    if code:
        sys.exit(code)


def main() -> None:
    work = ROOT / ".demo" / "monitor"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(ROOT / "examples" / "fleet", work)
    pager = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pager)
    threading.Thread(target=pager.serve_forever, daemon=True).start()
    gym = Gym(Path(tempfile.mkdtemp(prefix="ia-")))
    try:
        endpoint = gym.up().endpoint
        os.environ |= gym.environment(5)
        say("A gym is up. Terraform makes three machines and an alert, and six hours pass.")
        variables = {**os.environ, "TF_VAR_pager_url": f"http://127.0.0.1:{pager.server_address[1]}"}
        for arguments in (("init",), ("apply", "-auto-approve")):
            command = [*find().command, *arguments, "-no-color", "-input=false"]
            subprocess.run(command, cwd=work, env=variables, check=True, capture_output=True)
        questions(work, gym, Scene(gym, endpoint))
    finally:
        gym.remove()
        pager.server_close()


def questions(work: Path, gym: Gym, scene: Scene) -> None:
    scene.play(
        {"load": {"vm-web": "daily low=10 high=60", "vm-db": "spike cpu=25 peak=80 every=3 minutes=40", "vm-worker": "steady cpu=15"}}
    )
    scene.play({"advance": "6h"})
    iacagent(work, "ask", "how busy was db over the last 6 hours?", "--plot", str(work / "cpu.svg"))
    iacagent(work, "ask", "what was the peak cpu of every machine in the last 6 hours?")
    say("Bob stops web with az. Worker is restarted, with a wrong line in its /etc/fstab.")
    scene.play({"power": {"vm": "vm-web", "state": "deallocated", "by": "bob"}})
    scene.play({"boot": {"vm": "vm-worker", "kind": "fstab"}})
    scene.play({"advance": "10m"})
    iacagent(work, "ask", "is everything all right?")
    iacagent(work, "ask", "why does worker not boot?")
    iacagent(work, "ask", "who stopped web?")
    iacagent(work, "apply", "start web")
    say("The database gets busy.")
    scene.play({"load": {"vm-db": "steady cpu=93"}})
    scene.play({"advance": "10m"})
    iacagent(work, "ask", "which alerts are firing?")
    deadline = time.monotonic() + 10
    while not HEARD and time.monotonic() < deadline:
        time.sleep(0.1)
    if not HEARD:
        sys.exit("the alert was not delivered")
    told = HEARD[0]["data"]["essentials"]
    say(f"Delivered to the pager: {told['monitorCondition']} {told['severity']} {told['alertRule']}")
    iacagent(work, "audit", "verify")


if __name__ == "__main__":
    main()
