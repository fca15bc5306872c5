"""`python -m iac_agent.cli.terraform ARGS...`: the Terraform that iacagent would run, for the demo and for tests."""

from __future__ import annotations

import os
import sys

from iac_agent.terraform.binary import find


def main() -> None:
    command = [*find().command, *sys.argv[1:]]
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
