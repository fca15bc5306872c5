"""What can reach what: a model of the planned network, and proofs over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iac_agent.errors import UsageError

if TYPE_CHECKING:
    from iac_agent.guard.network.proof import Prover
    from iac_agent.guard.network.topology import Topology


def prover(topology: Topology) -> Prover:
    """Asks about a network. The solver is loaded here, when it is needed. Raises UsageError where it is not installed."""
    try:
        from iac_agent.guard.network.proof import Prover
    except ImportError as problem:
        raise UsageError("proofs need the `z3-solver` package", hint="pip install 'iac-agent[proof]'") from problem
    return Prover(topology)
