"""Resource Graph, change rows and the activity log: what a drift scan asks of Azure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from iac_agent.gym import identity
from iac_agent.gym.daemon import Gym
from iac_agent.gym.kql.parse import KqlError
from iac_agent.gym.kql.run import run
from tests.drift.actors import ALICE, BOB, PIPELINE, SCRIPT, Actor, Azure

GROUP = f"/subscriptions/{identity.SUBSCRIPTION}/resourceGroups/rg"
NETWORK = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/v"
GRAPH = "/providers/Microsoft.ResourceGraph/resources"
ROWS = [
    {"id": "/a", "type": "vm", "tags": {"env": "prod"}, "n": 3, "list": [1, 2]},
    {"id": "/b", "type": "vm", "tags": None, "n": 5, "list": None},
    {"id": "/c", "type": "disk", "tags": {"env": "dev"}, "n": 1, "list": []},
]


@pytest.fixture
def azure(gym: Gym) -> Azure:
    azure = Azure(gym)
    azure.done("PUT", GROUP, {"location": "westeurope"}, PIPELINE)
    return azure


def _network(azure: Azure, by: Actor, **tags: str) -> None:
    space = {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}
    azure.done("PUT", NETWORK, {"location": "westeurope", "properties": space, "tags": tags}, by)


def _asked(azure: Azure, query: str, **options: Any) -> tuple[int, dict[str, Any]]:
    return azure.call("POST", GRAPH, {"subscriptions": [identity.SUBSCRIPTION], "query": query, "options": options})


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("t | where type =~ 'VM' | project id", ["/a", "/b"]),
        ("t | where tags.env == 'prod' or isnull(tags) | order by id desc | project id", ["/b", "/a"]),
        ("t | where tags['env'] in~ ('PROD', 'DEV') and n between (1 .. 3) | take 1 | project id", ["/a"]),
        ("t | where id !in ('/a', '/b') | project id", ["/c"]),
        ("t | where tags has 'prod' | project id", ["/a"]),
        ("t | top 1 by n | project id", ["/b"]),
    ],
)
def test_kusto_finds_rows(query: str, wanted: list[str]) -> None:
    assert [r["id"] for r in run(query, {"t": lambda: list(ROWS)}, datetime.now(UTC))] == wanted


def test_kusto_shapes_rows() -> None:
    tables = {"t": lambda: list(ROWS), "names": lambda: [{"key": "/a", "name": "one"}]}

    def asked(query: str) -> list[dict[str, Any]]:
        return run(query, tables, datetime.now(UTC))

    assert asked("t | summarize many = count(), max(n) by type | order by type asc") == [
        {"type": "disk", "many": 1, "max_n": 1},
        {"type": "vm", "many": 2, "max_n": 5},
    ]
    assert asked("t | count") == [{"Count": 3}]
    joined = asked("t | join kind=leftouter (names | project id=key, name) on id | project id, name | order by id asc")
    assert joined == [{"id": "/a", "name": "one"}, {"id": "/b", "name": None}, {"id": "/c", "name": None}]
    assert [r["list"] for r in asked("t | mv-expand list | where id == '/a'")] == [1, 2]
    assert asked("t | extend low = tolower(type) | distinct low | count") == [{"Count": 2}]
    assert asked("t | project tags.env | take 1") == [{"tags_env": "prod"}]
    assert asked("t | summarize arg_max(n, *) by type | where type == 'vm' | project id") == [{"id": "/b"}]


@pytest.mark.parametrize("query", ["t | where", "t | frobnicate", "nothing", "t | where x(1)", "t | where n > 'a' b", "t | project ~"])
def test_kusto_refuses_what_it_cannot_read(query: str) -> None:
    with pytest.raises(KqlError):
        run(query, {"t": lambda: list(ROWS)}, datetime.now(UTC))


def test_the_graph_pages_and_says_what_is_wrong(azure: Azure) -> None:
    for number in range(5):
        azure.done("PUT", f"{GROUP}/providers/Microsoft.Network/routeTables/r{number}", {"location": "westeurope", "properties": {}})
    query = "resources | where type =~ 'microsoft.network/routetables' | project id, name | order by id asc"
    _, first = _asked(azure, query, **{"$top": 2})
    assert (first["totalRecords"], first["count"], first["resultTruncated"]) == (5, 2, "false")
    _, second = _asked(azure, query, **{"$top": 2, "$skipToken": first["$skipToken"]})
    assert [r["name"] for r in [*first["data"], *second["data"]]] == ["r0", "r1", "r2", "r3"]
    _, containers = _asked(azure, "resourcecontainers | project id, name, type")
    assert {"Gym", "rg"} == {r["name"] for r in containers["data"]}
    status, wrong = _asked(azure, "resources | wherever")
    assert (status, wrong["error"]["code"]) == (400, "InvalidQuery")


def test_changes_tell_who_with_what_and_which_property(azure: Azure) -> None:
    _network(azure, PIPELINE, env="prod")
    for actor, value in ((ALICE, "a"), (BOB, "b"), (SCRIPT, "c")):
        _network(azure, actor, env=value)
    _, found = _asked(azure, "resourcechanges | project id, properties | order by properties.changeAttributes.timestamp asc")
    told = [(r["properties"]["changeType"], r["properties"]["changeAttributes"], r["properties"]["changes"]) for r in found["data"]]
    assert [kind for kind, _, _ in told] == ["Create", "Update", "Update", "Update"]
    assert [(a["changedBy"], a["clientType"], a["changedByType"]) for _, a, _ in told[1:]] == [
        ("alice@contoso.com", "Azure Portal", "User"),
        ("bob@contoso.com", "Azure CLI", "User"),
        (SCRIPT.who, "Azure SDK for Python", "Application"),
    ]
    assert told[1][2] == {"tags.env": {"previousValue": "prod", "newValue": "a"}}


def test_the_graph_and_the_log_lag_behind(gym: Gym, azure: Azure) -> None:
    gym.settings(graph_lag_seconds=600, activity_delay_seconds=600)
    _network(azure, ALICE, env="prod")
    _, found = _asked(azure, "resources | project id")
    assert found["data"] == []
    path = f"/subscriptions/{identity.SUBSCRIPTION}/providers/Microsoft.Insights/eventtypes/management/values"
    assert azure.call("GET", f"{path}?$filter=eventTimestamp ge 2020-01-01T00:00:00Z")[1]["value"] == []
    gym.settings(activity_delay_seconds=0)
    assert azure.call("GET", f"{path}?$filter=eventTimestamp ge 2020-01-01T00:00:00Z")[1]["value"][0]["caller"] == "alice@contoso.com"
    assert azure.call("GET", path)[0] == 400


def test_buckets_run_dry_and_a_reader_may_not_write(gym: Gym, azure: Azure) -> None:
    reader = Actor("drift-reader", "", "", "")
    assert azure.call("GET", GROUP, by=reader)[0] == 200
    assert azure.call("PUT", GROUP, {"location": "westeurope"}, reader)[0] == 403
    gym.settings(throttle=True)
    codes = [_asked(azure, "resources | project id")[0] for _ in range(17)]
    assert codes.count(429) == 2
    reads = next(n for n in range(2000) if azure.call("GET", GROUP)[0] == 429)
    assert reads >= 248


def test_a_checkpoint_brings_everything_back(gym: Gym, azure: Azure) -> None:
    _network(azure, PIPELINE, env="prod")
    gym.checkpoint()
    azure.done("DELETE", NETWORK)
    gym.rewind()
    assert azure.done("GET", NETWORK)["tags"] == {"env": "prod"}
    assert len(_asked(azure, "resourcechanges | project id")[1]["data"]) == 1
