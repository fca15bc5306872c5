"""The operations of a virtual machine beyond its resource: power, instance view, boot diagnostics, sizes and usages.

Source: azure-rest-api-specs, Microsoft.Compute 2024-03-01 (instanceView, start, restart, powerOff, deallocate).
"""

from __future__ import annotations

from collections.abc import Callable

from iac_agent.gym import faults, sizes
from iac_agent.gym.services import Call, Operation, Outcome
from iac_agent.gym.store import Body, Resource

_VM = "Microsoft.Compute/virtualMachines"
_SHOWN = {"running": "VM running", "deallocated": "VM deallocated", "stopped": "VM stopped"}


def _machine(call: Call, parts: dict[str, str]) -> Resource:
    path = call.path.rsplit("/", 1)[0]
    found = call.cloud.store.get(path)
    if found is None:
        raise faults.resource_not_found(path, parts["group"])
    return found


def instance_view(call: Call, machine: Resource) -> Body:
    """The statuses of a machine as ARM shows them."""
    power = machine.hidden.get("power", "running")
    stamp = call.cloud.now().isoformat()
    name = machine.properties["storageProfile"]["osDisk"]["name"]
    view: Body = {
        "computerName": (machine.properties.get("osProfile") or {}).get("computerName"),
        "hyperVGeneration": "V2",
        "disks": [{"name": name, "statuses": [_status("ProvisioningState/succeeded", "Provisioning succeeded", stamp)]}],
        "statuses": [
            _status("ProvisioningState/succeeded", "Provisioning succeeded", stamp),
            {"code": f"PowerState/{power}", "level": "Info", "displayStatus": _SHOWN[power]},
        ],
    }
    if power == "running":
        ready = _status("ProvisioningState/succeeded", "Ready", stamp)
        view["vmAgent"] = {"vmAgentVersion": "2.11.1.12", "statuses": [{**ready, "message": "Guest Agent is running"}]}
    return view


def _status(code: str, shown: str, stamp: str) -> Body:
    return {"code": code, "level": "Info", "displayStatus": shown, "time": stamp}


def _view(call: Call, parts: dict[str, str]) -> Outcome:
    return 200, instance_view(call, _machine(call, parts))


def _get(call: Call, parts: dict[str, str]) -> Outcome:
    """GET of a machine, with `$expand=instanceView` when it is asked for."""
    found = call.cloud.store.get(call.path)
    if found is None:
        call.cloud.require_group(parts["subscription"], parts["group"])
        raise faults.resource_not_found(call.path, parts["group"])
    if call.query.get("$expand", "").lower() != "instanceview":
        return 200, found.body
    return 200, {**found.body, "properties": {**found.properties, "instanceView": instance_view(call, found)}}


def _power(state: str) -> Callable[[Call, dict[str, str]], Outcome]:
    def run(call: Call, parts: dict[str, str]) -> Outcome:
        machine = _machine(call, parts)
        call.cloud.require_unlocked(machine.id, "write")
        if state == "running" and machine.hidden.get("power") != "running":
            sizes.require_quota_to_start(call.cloud, machine)
        machine.hidden["power"] = state
        call.cloud.store.save(machine)
        return 200, None

    return run


def _restart(call: Call, parts: dict[str, str]) -> Outcome:
    machine = _machine(call, parts)
    if machine.hidden.get("power") == "deallocated":
        raise faults.conflict("OperationNotAllowed", f"Cannot restart VM '{machine.body['name']}' as it is deallocated.")
    machine.hidden["power"] = "running"
    call.cloud.store.save(machine)
    return 200, None


def _boot_log(call: Call, parts: dict[str, str]) -> Outcome:
    machine = _machine(call, parts)
    diagnostics = (machine.properties.get("diagnosticsProfile") or {}).get("bootDiagnostics") or {}
    if not diagnostics.get("enabled"):
        raise faults.conflict(
            "OperationNotAllowed",
            "Boot diagnostics must be enabled on the VM in order to get its boot diagnostics data.",
        )
    base = f"{call.cloud.endpoint}/gym/blobs/{machine.properties['vmId']}"
    return 200, {
        "consoleScreenshotBlobUri": f"{base}/screenshot.bmp",
        "serialConsoleLogBlobUri": f"{base}/serialconsole.log",
    }


def _sizes(call: Call, parts: dict[str, str]) -> Outcome:
    if "vm" in parts:
        _machine(call, parts)
    keys = ("name", "numberOfCores", "osDiskSizeInMB", "resourceDiskSizeInMB", "memoryInMB", "maxDataDiskCount")
    return 200, {"value": [{k: s[k] for k in keys} for s in sizes.all_sizes().values()]}


def _usages(call: Call, parts: dict[str, str]) -> Outcome:
    return 200, {"value": sizes.usages(call.cloud, parts["location"])}


_ONE = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{vm}"
_LOCATION = "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}"
ROUTES = [
    Operation("GET", f"{_ONE}/instanceView", _view),
    Operation("GET", _ONE, _get),
    Operation("POST", f"{_ONE}/start", _power("running"), slow=True),
    Operation("POST", f"{_ONE}/powerOff", _power("stopped"), slow=True),
    Operation("POST", f"{_ONE}/deallocate", _power("deallocated"), slow=True),
    Operation("POST", f"{_ONE}/restart", _restart, slow=True),
    Operation("POST", f"{_ONE}/retrieveBootDiagnosticsData", _boot_log),
    Operation("GET", f"{_ONE}/vmSizes", _sizes),
    Operation("GET", f"{_LOCATION}/vmSizes", _sizes),
    Operation("GET", f"{_LOCATION}/usages", _usages),
]
