"""What a Log Analytics workspace holds: Heartbeat, Perf and Syslog of the machines that report to it, and the activity log.

A machine reports when it has a monitoring agent as an extension: the Azure Monitor agent (to every workspace, as the gym has no data
collection rules) or the older Log Analytics agent (to the workspace its settings name). Tables:
https://learn.microsoft.com/azure/azure-monitor/reference/tables/heartbeat, .../perf, .../syslog, .../azureactivity
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from iac_agent.gym.cloud import Cloud
from iac_agent.gym.kql.functions import Row, moment
from iac_agent.gym.life import serial
from iac_agent.gym.life.history import VM, Machine, minute_of
from iac_agent.gym.store import Resource

_COUNTERS = (("Processor", "% Processor Time", "_Total"), ("Memory", "% Used Memory", "Memory"), ("Logical Disk", "% Used Space", "_Total"))
_LONGEST = timedelta(days=31)


def tables(cloud: Cloud, workspace: Resource, start: datetime, end: datetime) -> dict[str, Callable[[], list[Row]]]:
    """The tables of a workspace for a time range (31 days at most), each made when a query asks for it."""
    start = max(start, end - _LONGEST)
    return {
        "heartbeat": lambda: [r for m in _reporting(cloud, workspace) for r in _heartbeats(m, start, end)],
        "perf": lambda: [r for m in _reporting(cloud, workspace) for r in _perf(m, start, end)],
        "syslog": lambda: [r for m in _reporting(cloud, workspace) for r in _syslog(m, start, end)],
        "azureactivity": lambda: list(_activity(cloud, start, end)),
    }


def _reporting(cloud: Cloud, workspace: Resource) -> list[Machine]:
    found = []
    for extension in cloud.store.of_type(f"{VM}/extensions"):
        kind, settings = str(extension.properties.get("type", "")), extension.properties.get("settings") or {}
        named = settings.get("workspaceId") in (None, workspace.properties["customerId"])
        owner = cloud.store.get(extension.id.rsplit("/extensions/", 1)[0])
        if owner is not None and named and kind.startswith(("AzureMonitor", "OmsAgent", "MicrosoftMonitoringAgent")):
            found.append(Machine.of(cloud, owner))
    return found


def _minutes(machine: Machine, start: datetime, end: datetime) -> Iterator[int]:
    """The minutes in which its agent reports."""
    for minute in range(max(minute_of(start), machine.born), minute_of(end) + 1):
        if start <= _at(minute) <= end and machine.agent_ready(minute):
            yield minute


def _heartbeats(machine: Machine, start: datetime, end: datetime) -> Iterator[Row]:
    for minute in _minutes(machine, start, end):
        yield {**_common(machine, minute), "Category": "Azure Monitor Agent", "OSType": "Linux", "Version": "1.33.1", "Type": "Heartbeat"}


def _perf(machine: Machine, start: datetime, end: datetime) -> Iterator[Row]:
    for minute in _minutes(machine, start, end):
        used = machine.usage(minute)
        for (thing, counter, instance), value in zip(_COUNTERS, (used.cpu, used.memory, 40.0), strict=True):
            named = {"ObjectName": thing, "CounterName": counter, "InstanceName": instance, "CounterValue": value}
            yield {**_common(machine, minute), **named, "Type": "Perf"}


def _syslog(machine: Machine, start: datetime, end: datetime) -> Iterator[Row]:
    """What the boots that got far enough wrote to syslog."""
    for boot in machine.boots:
        if start <= boot.at <= end and machine.agent_ready(minute_of(boot.at)):
            for line in serial.messages(machine, boot):
                process, _, message = line.partition(": ")
                place = {"Facility": "daemon" if "[" in process else "kern", "SeverityLevel": "info", "ProcessName": process.split("[")[0]}
                yield {**_common(machine, minute_of(boot.at)), **place, "SyslogMessage": message or line, "Type": "Syslog"}


def _common(machine: Machine, minute: int) -> Row:
    name = str(machine.resource.body["name"])
    resource_id = machine.resource.id
    return {
        "TimeGenerated": _at(minute),
        "Computer": name,
        "_ResourceId": resource_id.lower(),
        "ResourceId": resource_id,
        "Resource": name,
        "ResourceGroup": resource_id.split("/")[4],
        "SubscriptionId": resource_id.split("/")[2],
    }


def _activity(cloud: Cloud, start: datetime, end: datetime) -> Iterator[Row]:
    for event in cloud.store.events():
        at = moment(event["eventTimestamp"])
        if at is not None and start <= at <= end:
            yield {
                "TimeGenerated": at,
                "OperationNameValue": event["operationName"]["value"].upper(),
                "Level": event["level"],
                "ActivityStatusValue": event["status"]["value"],
                "Caller": event["caller"],
                "CallerIpAddress": event["httpRequest"]["clientIpAddress"],
                "CorrelationId": event["correlationId"],
                "CategoryValue": event["category"]["value"],
                "ResourceGroup": event["resourceGroupName"],
                "_ResourceId": event["resourceId"].lower(),
                "ResourceProviderValue": event["resourceProviderName"]["value"].upper(),
                "SubscriptionId": event["subscriptionId"],
                "Type": "AzureActivity",
            }


def _at(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)
