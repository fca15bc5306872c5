"""Whether a port is open: as the rules in Azure say now, whatever they are called and whatever the code says."""

from __future__ import annotations

from typing import Any

import pytest
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network.models import SecurityRule

from iac_agent.monitor import openings
from tests.conftest import client_options
from tests.monitor.conftest import Ask, Scene
from tests.monitor.test_answers import said

GROUP, NSG = "rg-orion", "nsg-apps"


def put(network: NetworkManagementClient, name: str, priority: int, access: str, source: str, **more: Any) -> None:
    rule = {
        "priority": priority,
        "direction": "Inbound",
        "access": access,
        "protocol": "*",
        "source_port_range": "*",
        "source_address_prefix": source,
        "destination_port_range": "20-30",
        "destination_address_prefix": "*",
    }
    network.security_rules.begin_create_or_update(GROUP, NSG, name, SecurityRule(**(rule | more))).result()


def test_the_rule_that_comes_first_decides(scene: Scene, monitor: Ask) -> None:
    bench = scene()
    network, source = NetworkManagementClient(**client_options(bench.gym)), monitor(bench)

    def ask(question: str) -> str:
        return said(source.ask(question))

    assert ask("is ssh open on nsg-apps?").startswith("No: no rule of nsg-apps lets TCP 22 from the Internet in")
    assert ask("can 10.9.0.1 reach port 22 through nsg-apps?").startswith(
        "It depends: no rule of nsg-apps is about TCP 22 from 10.9.0.1/32"
    )
    put(network, "deny-ssh", 300, "Allow", "*")
    assert ask("is ssh open on nsg-apps?").startswith("Yes: deny-ssh (priority 300, Allow from *)")
    assert ask("does nsg-apps let udp 22 in from any source?").startswith("Yes: deny-ssh")
    assert ask("is port 31 open on nsg-apps?").startswith("No: no rule")
    put(network, "allow-none", 200, "Deny", "Internet")
    put(network, "office", 150, "Allow", "10.8.0.0/16")
    assert ask("is ssh open on nsg-apps?") == (
        "No, but for office (priority 150, Allow from 10.8.0.0/16): allow-none (priority 200, Deny from Internet) "
        "keeps TCP 22 from the Internet out of nsg-apps."
    )
    assert ask("can 10.8.3.4 reach port 22 through nsg-apps?").startswith("Yes: office")
    assert ask("can 10.9.0.1 reach port 22 through nsg-apps?").startswith("Yes: deny-ssh")
    put(network, "peers", 140, "Deny", "VirtualNetwork")
    assert ask("can 10.9.0.1 reach port 22 through nsg-apps?").startswith("It depends: peers (priority 140, Deny from VirtualNetwork)")
    put(network, "one", 120, "Allow", "*", destination_address_prefix="10.40.1.4")
    assert ask("is 22/tcp open on nsg-apps?").startswith("Yes: one (priority 120, Allow from *)")
    assert ask("is 22/tcp open on nsg-apps?").endswith("into nsg-apps, to 10.40.1.4.")


def test_every_group_where_none_is_named(scene: Scene, monitor: Ask) -> None:
    answer = monitor(scene()).ask("is port 443 open to the internet?")
    assert len(answer.sentences) == 1
    assert answer.sources == ["Microsoft.Network/networkSecurityGroups 2024-05-01, read now"]


@pytest.mark.parametrize(
    "question",
    ["who opened port 22?", "which rules are there?", "how busy is db?", "is everything all right?", "is port 99999 open?", "is web open?"],
)
def test_what_asks_for_something_else(question: str) -> None:
    assert openings.wanted(question) is None
