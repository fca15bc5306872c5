"""The gym's life: metrics, alerts and their delivery, health, boots, logs and faults, through the real SDKs."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from azure.core.exceptions import HttpResponseError
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.compute.models import RunCommandInput
from azure.mgmt.monitor import MonitorManagementClient
from azure.mgmt.resourcehealth import ResourceHealthMgmtClient
from azure.monitor.query import LogsQueryClient
from azure.monitor.querymetrics import MetricsClient

from iac_agent.errors import GymError
from iac_agent.gym.bench.environment import Environment
from tests.conftest import client_options

GROUP = "/subscriptions/00000000-0000-0000-0000-000000000004/resourceGroups/rg-orion"
VM = f"{GROUP}/providers/Microsoft.Compute/virtualMachines"
Make = Callable[[type[Any]], Any]


@pytest.fixture
def client(own_gym: Environment) -> Iterator[Make]:
    made: list[Any] = []

    def make(kind: type[Any]) -> Any:
        options = client_options(own_gym.gym)
        if kind is MetricsClient:
            made.append(
                kind(
                    options["base_url"], options["credential"], audience=options["base_url"], connection_verify=options["connection_verify"]
                )
            )
        elif kind is LogsQueryClient:
            made.append(kind(options["credential"], endpoint=options["base_url"], connection_verify=options["connection_verify"]))
        else:
            made.append(kind(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def advance(bench: Environment, **span: float) -> datetime:
    told = bench.gym.tell("time", {"advance": timedelta(**span).total_seconds()})
    return datetime.fromisoformat(told["now"])


# --- metrics ---------------------------------------------------------------------------------------------------------


def test_metrics_as_the_sdk_reads_them(fleet: Environment, client: Make) -> None:
    fleet.gym.tell("load", {"vm-db": {"profile": "steady", "cpu": 50}})
    now = advance(fleet, hours=3)
    monitor = client(MonitorManagementClient)
    names = {d.name.value: d for d in monitor.metric_definitions.list(f"{VM}/vm-db")}
    assert {"Percentage CPU", "Available Memory Bytes", "VmAvailabilityMetric", "Data Disk Read Bytes/sec"} <= names.keys()
    assert [n.properties.metric_namespace_name for n in monitor.metric_namespaces.list(f"{VM}/vm-db")] == [
        "Microsoft.Compute/virtualMachines"
    ]
    span = f"{now - timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}/{now:%Y-%m-%dT%H:%M:%SZ}"
    found = monitor.metrics.list(
        f"{VM}/vm-db", timespan=span, interval="PT15M", metricnames="Percentage CPU,Network In Total", aggregation="Average,Maximum"
    )
    cpu, network = found.value
    assert (found.interval, len(cpu.timeseries[0].data), cpu.unit) == ("PT15M", 8, "Percent")
    assert all(45 < p.average <= p.maximum < 55 for p in cpu.timeseries[0].data)
    assert network.timeseries[0].data[0].average > 0
    split = monitor.metrics.list(f"{VM}/vm-db", metricnames="Data Disk Read Bytes/sec", filter="LUN eq '*'").value[0].timeseries
    assert [(s.metadatavalues[0].name.value, s.metadatavalues[0].value) for s in split] == [("lun", "0")]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"metricnames": "Fan Speed"},
            "Failed to find metric configuration for provider: Microsoft.Compute, resource Type: virtualMachines, metric: Fan Speed",
        ),
        ({"interval": "PT7M"}, "Invalid time grain duration: PT7M"),
        ({"timespan": "yesterday"}, "Detected invalid time interval input: yesterday"),
        ({"timespan": "2020-01-01T00:00:00Z/PT1H"}, "is out of the Max metrics retention period: 93.00:00:00"),
        ({"metricnames": "Percentage CPU", "filter": "Zone eq '*'"}, "does not support requested dimension combination: zone"),
        ({"metricnames": ",".join(["Percentage CPU"] * 21)}, "Requested metrics count: 21 bigger than allowed max: 20"),
        ({"aggregation": "Median"}, "Median"),
    ],
)
def test_queries_that_azure_refuses(asked: dict[str, str], message: str, fleet: Environment, client: Make) -> None:
    with pytest.raises(HttpResponseError) as refused:
        client(MonitorManagementClient).metrics.list(f"{VM}/vm-db", **asked)
    assert refused.value.status_code == 400
    assert message in str(refused.value)


def test_a_machine_that_is_off_has_points_without_values(fleet: Environment, client: Make) -> None:
    advance(fleet, minutes=30)
    compute = client(ComputeManagementClient)
    compute.virtual_machines.begin_deallocate("rg-orion", "vm-api").result()
    advance(fleet, minutes=30)
    data = client(MonitorManagementClient).metrics.list(f"{VM}/vm-api", metricnames="Percentage CPU").value[0].timeseries[0].data
    assert {p.average is None for p in data[:20]} | {p.average is None for p in data[-20:]} == {False, True}
    assert data[-1].average is None


def test_the_batch_endpoint_takes_fifty(fleet: Environment, client: Make) -> None:
    advance(fleet, hours=1)
    batch = client(MetricsClient)
    ids = [f"{VM}/{name}" for name in ("vm-api", "vm-db")]
    asked = {"metric_namespace": "Microsoft.Compute/virtualMachines", "metric_names": ["Percentage CPU"], "aggregations": ["Average"]}
    found = batch.query_resources(resource_ids=ids, granularity=timedelta(minutes=5), **asked)
    assert [m.metrics[0].id.split("/")[8] for m in found] == ["vm-api", "vm-db"]
    with pytest.raises(HttpResponseError, match="between 1 and 50"):
        batch.query_resources(resource_ids=ids * 26, **asked)
    with pytest.raises(HttpResponseError, match="was not found"):
        batch.query_resources(resource_ids=[f"{VM}/vm-none"], **asked)


def test_a_load_balancer_follows_its_machines(fleet: Environment, client: Make) -> None:
    advance(fleet, minutes=30)
    fleet.gym.tell("ail", {"machine": "vm-web-1", "boot": "fstab"})
    advance(fleet, minutes=30)
    balancer = f"{GROUP}/providers/Microsoft.Network/loadBalancers/lb-orion"
    monitor = client(MonitorManagementClient)
    probes = monitor.metrics.list(balancer, metricnames="DipAvailability", filter="BackendIPAddress eq '*'").value[0].timeseries
    last = {s.metadatavalues[0].value: s.data[-1].average for s in probes}
    assert sorted(last.values()) == [0.0, 100.0]
    traffic = monitor.metrics.list(balancer, metricnames="ByteCount", aggregation="Total").value[0].timeseries[0].data
    assert sum(p.total for p in traffic[-20:]) < sum(p.total for p in traffic[:20])


# --- machines --------------------------------------------------------------------------------------------------------


def test_health_agent_and_serial_log_of_a_sick_machine(fleet: Environment, client: Make) -> None:
    fleet.gym.tell("load", {"vm-api": {"profile": "dying", "hours": 1}})
    advance(fleet, hours=2)
    health = client(ResourceHealthMgmtClient)
    states = {s.id.split("/")[8]: s.properties for s in health.availability_statuses.list_by_subscription_id()}
    assert (states["vm-api"].availability_state, states["vm-api"].reason_type) == ("Unavailable", "Unplanned")
    assert states["vm-db"].availability_state == "Available"
    machines = client(ComputeManagementClient).virtual_machines
    assert machines.instance_view("rg-orion", "vm-api").vm_agent.statuses[0].display_status == "Not Ready"
    with pytest.raises(HttpResponseError, match="ready VM agent"):
        machines.begin_run_command("rg-orion", "vm-api", RunCommandInput(command_id="RunShellScript", script=["uptime"])).result()
    machines.begin_redeploy("rg-orion", "vm-api").result()
    assert machines.instance_view("rg-orion", "vm-api").vm_agent.statuses[0].display_status == "Ready", "another host has better disks"


def test_status_only_lists_what_runs(fleet: Environment, client: Make) -> None:
    machines = client(ComputeManagementClient).virtual_machines
    machines.begin_power_off("rg-orion", "vm-batch").result()
    found = {m.name: m.instance_view.statuses[1].code for m in machines.list_all(status_only="true")}
    assert found["vm-batch"] == "PowerState/stopped"
    assert found["vm-db"] == "PowerState/running"


# --- alerts ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    heard: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(202)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/pager", heard
    server.shutdown()
    server.server_close()


class _Letters:
    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.heard.append((envelope.rcpt_tos[0], envelope.content))
        return "250 OK"


@pytest.fixture
def letters() -> Iterator[tuple[str, _Letters]]:
    handler = _Letters()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield f"127.0.0.1:{port}", handler
    controller.stop()


def until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 10
    while not found() and time.monotonic() < deadline:
        time.sleep(0.05)
    return found()


def receivers(bench: Environment, client: Make, **kinds: Any) -> None:
    monitor = client(MonitorManagementClient)
    group = monitor.action_groups.get("rg-orion", "ag-oncall")
    for name, value in kinds.items():
        setattr(group, name, value)
    monitor.action_groups.create_or_update("rg-orion", "ag-oncall", group)


def test_an_alert_fires_is_delivered_and_resolves(
    fleet: Environment, client: Make, webhook: tuple[str, list[dict[str, Any]]], letters: tuple[str, _Letters]
) -> None:
    url, heard = webhook
    server, post = letters
    fleet.gym.settings(smtp=server)
    receivers(
        fleet,
        client,
        webhook_receivers=[
            {"name": "pager", "service_uri": url, "use_common_alert_schema": True},
            {"name": "elsewhere", "service_uri": "https://hooks.example.com/x", "use_common_alert_schema": True},
        ],
        email_receivers=[{"name": "mail", "email_address": "oncall@example.com", "use_common_alert_schema": True}],
    )
    fleet.gym.tell("load", {"vm-db": {"profile": "steady", "cpu": 95}})
    advance(fleet, minutes=15)
    (fired,) = until(lambda: heard)
    essentials = fired["data"]["essentials"]
    assert (fired["schemaId"], essentials["monitorCondition"], essentials["severity"]) == ("azureMonitorCommonAlertSchema", "Fired", "Sev1")
    assert essentials["alertTargetIDs"][0].endswith("/vm-db")
    assert fired["data"]["alertContext"]["condition"]["allOf"][0]["metricValue"] > 85
    assert until(lambda: post.heard)[0][0] == "oncall@example.com"
    fleet.gym.tell("load", {"vm-db": {"profile": "steady", "cpu": 20}})
    advance(fleet, minutes=15)
    assert until(lambda: len(heard) > 1)
    assert heard[1]["data"]["essentials"]["monitorCondition"] == "Resolved"
    outcomes = {d["receiver"]: d["outcome"] for d in until(lambda: fleet.gym.tell("deliveries", method="GET")["deliveries"])}
    assert outcomes["pager"] == "delivered (202)"
    assert outcomes["elsewhere"] == "not delivered: the gym delivers to this machine only"


def test_an_alert_on_the_activity_log(fleet: Environment, client: Make, webhook: tuple[str, list[dict[str, Any]]]) -> None:
    url, heard = webhook
    receivers(fleet, client, webhook_receivers=[{"name": "pager", "service_uri": url, "use_common_alert_schema": True}])
    monitor = client(MonitorManagementClient)
    rule = {
        "location": "global",
        "scopes": ["/subscriptions/00000000-0000-0000-0000-000000000004"],
        "condition": {
            "all_of": [
                {"field": "category", "equals": "Administrative"},
                {"field": "operationName", "equals": "Microsoft.Compute/virtualMachines/deallocate/action"},
            ]
        },
        "actions": {"action_groups": [{"action_group_id": f"{GROUP}/providers/Microsoft.Insights/actionGroups/ag-oncall"}]},
    }
    monitor.activity_log_alerts.create_or_update("rg-orion", "alert-stopped", rule)
    fleet.gym.tell("time", {"advance": 1})
    client(ComputeManagementClient).virtual_machines.begin_deallocate("rg-orion", "vm-batch").result()
    fleet.gym.tell("time", {"advance": 1})
    (fired,) = until(lambda: heard)
    assert fired["data"]["essentials"]["alertRule"] == "alert-stopped"
    assert fired["data"]["essentials"]["alertTargetIDs"][0].endswith("/vm-batch")


# --- logs ------------------------------------------------------------------------------------------------------------


def test_log_analytics_over_kql(fleet: Environment, client: Make) -> None:
    from iac_agent.gym.provider.client import ArmHttp

    arm = ArmHttp(fleet.endpoint, fleet.gym.folder / "ca.pem", 5)
    workspace = arm.put(f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/law", {"location": "westeurope"}, "2023-09-01")
    agent = {"publisher": "Microsoft.Azure.Monitor", "type": "AzureMonitorLinuxAgent", "typeHandlerVersion": "1.33"}
    arm.put(f"{VM}/vm-db/extensions/ama", {"location": "westeurope", "properties": agent}, "2024-03-01")
    fleet.gym.tell("load", {"vm-db": {"profile": "steady", "cpu": 50}})
    now = advance(fleet, hours=2)
    logs = client(LogsQueryClient)
    customer = workspace["properties"]["customerId"]
    span = (now - timedelta(hours=1), now)
    beats = logs.query_workspace(customer, "Heartbeat | summarize n = count() by Computer", timespan=span).tables[0]
    assert beats.rows[0]["n"] in (60, 61)
    assert [list(r) for r in beats.rows] == [["vm-db", beats.rows[0]["n"]]]
    busy = (
        "Perf | where CounterName == '% Processor Time' | summarize cpu = avg(CounterValue), p95 = percentile(CounterValue, 95) by Computer"
    )
    (row,) = logs.query_workspace(customer, busy, timespan=span).tables[0].rows
    assert 49 < row["cpu"] < row["p95"] < 54
    by_hour = "Perf | summarize avg(CounterValue) by bin(TimeGenerated, 30m) | order by TimeGenerated asc | render timechart"
    assert len(logs.query_workspace(customer, by_hour, timespan=span).tables[0].rows) in (2, 3)
    acts = logs.query_workspace(
        customer, "AzureActivity | where OperationNameValue endswith 'EXTENSIONS/WRITE'", timespan=(now - timedelta(days=1), now)
    )
    assert acts.tables[0].rows[0]["Caller"]
    with pytest.raises(HttpResponseError, match="NoSuchTable"):
        logs.query_workspace(customer, "NoSuchTable | take 1", timespan=None)
    with pytest.raises(HttpResponseError, match="requested path does not exist"):
        logs.query_workspace("00000000-0000-0000-0000-00000000dead", "Heartbeat", timespan=None)


# --- faults and the clock --------------------------------------------------------------------------------------------


def test_a_create_that_fails_half_way(fleet: Environment, client: Make) -> None:
    fleet.gym.settings(faults=[{"half": True, "path": "Microsoft.Compute/disks", "times": 1}])
    disks = client(ComputeManagementClient).disks
    body = {"location": "westeurope", "properties": {"diskSizeGB": 8, "creationData": {"createOption": "Empty"}}}
    with pytest.raises(HttpResponseError, match="internal execution error"):
        disks.begin_create_or_update("rg-orion", "disk-half", body).result()
    assert disks.get("rg-orion", "disk-half").provisioning_state == "Failed"
    assert disks.begin_create_or_update("rg-orion", "disk-half", body).result().provisioning_state == "Succeeded"


def test_the_clock_stops_goes_on_and_never_back(fleet: Environment) -> None:
    first = fleet.gym.tell("time", {"stop": True})["now"]
    assert fleet.gym.tell("time", method="GET")["now"] == first
    later = fleet.gym.tell("time", {"advance": 3600})["now"]
    assert datetime.fromisoformat(later) - datetime.fromisoformat(first) == timedelta(hours=1)
    running = fleet.gym.tell("time", {"stop": False})["now"]
    assert datetime.fromisoformat(running) >= datetime.fromisoformat(later)
    for wrong in ({"advance": -5}, {"set": "2001-01-01T00:00:00Z"}, {"set": "soon"}, {"advance": "x"}):
        with pytest.raises(GymError):
            fleet.gym.tell("time", wrong)


@pytest.mark.parametrize(
    "load", [{"vm-none": {"profile": "steady"}}, {"vm-db": {"profile": "lazy"}}, {"vm-db": {"profile": "steady", "speed": 3}}, {"vm-db": 7}]
)
def test_a_load_that_is_none(load: dict[str, Any], fleet: Environment) -> None:
    with pytest.raises(GymError):
        fleet.gym.tell("load", load)
