"""Somebody else's agent in the benchmark: this one answers monitoring tasks with the activity log and nothing else.

Run it: python examples/bench_participant.py
"""

import json
import sys

from iac_agent.gym.bench import run
from iac_agent.gym.bench.environment import Environment, Observation
from iac_agent.gym.bench.participant import Outcome
from iac_agent.gym.bench.tasks import Suite


class ReadsTheLog:
    """Gets a prompt and a directory, may `bench.step` any command there, and ends with an answer."""

    name = "reads the log"

    def run(self, bench: Environment, seen: Observation) -> Outcome:
        done = bench.step([sys.executable, "-m", "iac_agent.cli.main", "--json", "monitor", "activity", "--range", "6h"])
        acts = json.loads(done.out).get("acts", []) if done.code == 0 else []
        told = [f"{a['name']} ({a['caller']}) {a['verb']} {a['resource'].rsplit('/', 1)[-1]}" for a in acts if "@" in a["caller"]]
        return Outcome(done.code, ". ".join(told) or "I do not know.", steps=1)


if __name__ == "__main__":
    results = run.run(Suite.load().chosen(("who-changed",)), ReadsTheLog(), jobs=1, heard=lambda result: None)
    print(run.table(results), end="")
