"""The policies that are shipped, in packs: one file for each, `deployability` in two."""

from __future__ import annotations

from collections.abc import Mapping

from iac_agent.guard.policies import cost, data, deployability, encryption, identity, network, networking, reliability, tagging
from iac_agent.guard.policies.tagging import Conventions
from iac_agent.guard.policy import Policy

PACKS: Mapping[str, str] = {
    "NET": "network exposure",
    "IDN": "identity",
    "ENC": "encryption",
    "DAT": "data protection",
    "REL": "reliability",
    "CST": "cost",
    "TAG": "tagging",
    "NAM": "naming and place",
    "DEP": "deployability",
}


def shipped(conventions: Conventions | None = None) -> tuple[Policy, ...]:
    """Every policy, those of the repository's conventions as far as it says what they are."""
    return (
        *network.POLICIES,
        *identity.POLICIES,
        *encryption.POLICIES,
        *data.POLICIES,
        *reliability.POLICIES,
        *cost.POLICIES,
        *tagging.by(conventions or Conventions()),
        *deployability.POLICIES,
        *networking.POLICIES,
    )
