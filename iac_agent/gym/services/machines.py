"""The operations of a virtual machine beyond its resource: power, instance view, boot diagnostics, commands, sizes and usages.

Source: azure-rest-api-specs, Microsoft.Compute 2024-03-01 (instanceView, start, restart, powerOff, deallocate, redeploy, runCommand).
"""

from __future__ import annotations

from collections.abc import Callable

from iac_agent.gym import faults, sizes
from iac_agent.gym.cloud import Cloud
from iac_agent.gym.life import guest, history, serial
from iac_agent.gym.life.history import Machine, minute_of
from iac_agent.gym.services import PAGE, Call, Operation, Outcome, page
from iac_agent.gym.store import Body, Resource

_VM = "Microsoft.Compute/virtualMachines"
CONSOLE = "/console/"
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
        view["vmAgent"] = _agent(Machine.of(call.cloud, machine), call, stamp)
    if ((machine.properties.get("diagnosticsProfile") or {}).get("bootDiagnostics") or {}).get("enabled"):
        view["bootDiagnostics"] = {}
    return view


def _agent(machine: Machine, call: Call, stamp: str) -> Body:
    if machine.agent_ready(minute_of(call.cloud.now())):
        status = {**_status("ProvisioningState/succeeded", "Ready", stamp), "message": "Guest Agent is running"}
        return {"vmAgentVersion": "2.11.1.12", "statuses": [status]}
    late = {**_status("ProvisioningState/Unavailable", "Not Ready", stamp), "level": "Warning"}
    message = "VM status blob is found but not yet populated."
    return {"vmAgentVersion": "Unknown", "statuses": [{**late, "message": message}]}


def _status(code: str, shown: str, stamp: str) -> Body:
    return {"code": code, "level": "Info", "displayStatus": shown, "time": stamp}


def _view(call: Call, parts: dict[str, str]) -> Outcome:
    return 200, instance_view(call, _machine(call, parts))


def _list(call: Call, _: dict[str, str]) -> Outcome:
    """The machines of the subscription; with `statusOnly=true` what runs rather than what is configured."""
    found = call.cloud.store.of_type(_VM)
    host = call.cloud.endpoint.removeprefix("https://")
    if call.query.get("statusonly", "").lower() != "true":
        return 200, page([m.body for m in found], call, host)
    start, keys = int(call.query.get("$skiptoken") or 0), ("id", "name", "type", "location", "tags", "zones")
    rows = [
        {
            **{k: m.body[k] for k in keys if k in m.body},
            "properties": {"vmId": m.properties["vmId"], "instanceView": instance_view(call, m)},
        }
        if start <= n < start + PAGE
        else {}
        for n, m in enumerate(found)
    ]
    return 200, page(rows, call, host)


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
        if machine.hidden.get("power") != state:
            _turn(call, machine, state)
        return 200, None

    return run


def _turn(call: Call, machine: Resource, state: str) -> None:
    machine.hidden["power"] = state
    history.note(machine, call.cloud.now(), power=state)
    call.cloud.store.save(machine)


def _restart(call: Call, parts: dict[str, str]) -> Outcome:
    machine = _machine(call, parts)
    if machine.hidden.get("power") == "deallocated":
        raise faults.conflict("OperationNotAllowed", f"Cannot restart VM '{machine.body['name']}' as it is deallocated.")
    _turn(call, machine, "running")
    return 200, None


def _redeploy(call: Call, parts: dict[str, str]) -> Outcome:
    """A new host: what ailed the old one is gone, what is on the disks stays."""
    machine = _machine(call, parts)
    if machine.hidden.get("power") != "running":
        raise faults.conflict("OperationNotAllowed", f"Cannot redeploy VM '{machine.body['name']}' as it is not running.")
    if any(load.profile == "dying" for _, load in Machine.of(call.cloud, machine).loads[-1:]):
        history.note(machine, call.cloud.now(), load={"profile": "steady"})
    _turn(call, machine, "running")
    return 200, None


def _run_command(call: Call, parts: dict[str, str]) -> Outcome:
    """What a script would print, as far as the gym has a guest: `echo`, `hostname`, `uptime`, `df`, and nothing else."""
    machine = _machine(call, parts)
    if machine.hidden.get("power") != "running" or not Machine.of(call.cloud, machine).agent_ready(minute_of(call.cloud.now())):
        raise faults.conflict("OperationNotAllowed", "The operation requires the VM to be running (or set to run), with a ready VM agent.")
    if call.body.get("commandId") != "RunShellScript":
        raise faults.bad_request("InvalidParameter", f"The command {call.body.get('commandId')} is not one of this VM's: RunShellScript.")
    out, err = guest.run(Machine.of(call.cloud, machine), call.body.get("script") or [], call.cloud.now())
    message = f"Enable succeeded: \n[stdout]\n{out}\n[stderr]\n{err}"
    status = {"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded", "message": message}
    return 200, {"value": [status]}


def _boot_log(call: Call, parts: dict[str, str]) -> Outcome:
    machine = _machine(call, parts)
    diagnostics = (machine.properties.get("diagnosticsProfile") or {}).get("bootDiagnostics") or {}
    if not diagnostics.get("enabled"):
        raise faults.conflict(
            "OperationNotAllowed",
            "Boot diagnostics must be enabled on the VM in order to get its boot diagnostics data.",
        )
    return 200, _console(call, machine)


def _console(call: Call, machine: Resource) -> Body:
    base = f"{call.cloud.endpoint}{CONSOLE}{machine.properties['vmId']}"
    return {"consoleScreenshotBlobUri": f"{base}/screenshot.bmp", "serialConsoleLogBlobUri": f"{base}/serialconsole.log"}


def console_file(cloud: Cloud, path: str) -> tuple[bytes, str] | None:
    """The content and media type of a file below CONSOLE: the serial log, or the screenshot as BMP or PNG; None when there is none."""
    owner, _, name = path.removeprefix(CONSOLE).partition("/")
    found = next((m for m in cloud.store.of_type(_VM) if m.properties["vmId"] == owner), None)
    if found is None:
        return None
    machine = Machine.of(cloud, found)
    match name:
        case "serialconsole.log":
            return serial.log(machine).encode(), "text/plain; charset=utf-8"
        case "screenshot.bmp":
            return serial.screenshot(machine, "BMP"), "image/bmp"
        case "screenshot.png":
            return serial.screenshot(machine, "PNG"), "image/png"
    return None


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
    Operation("GET", "/subscriptions/{subscription}/providers/Microsoft.Compute/virtualMachines", _list),
    Operation("POST", f"{_ONE}/start", _power("running"), slow=True),
    Operation("POST", f"{_ONE}/powerOff", _power("stopped"), slow=True),
    Operation("POST", f"{_ONE}/deallocate", _power("deallocated"), slow=True),
    Operation("POST", f"{_ONE}/restart", _restart, slow=True),
    Operation("POST", f"{_ONE}/redeploy", _redeploy, slow=True),
    Operation("POST", f"{_ONE}/runCommand", _run_command, slow=True),
    Operation("POST", f"{_ONE}/retrieveBootDiagnosticsData", _boot_log),
    Operation("GET", f"{_ONE}/vmSizes", _sizes),
    Operation("GET", f"{_LOCATION}/vmSizes", _sizes),
    Operation("GET", f"{_LOCATION}/usages", _usages),
]
