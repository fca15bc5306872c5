"""Microsoft.Resources/deployments: the templates by which `az vm create` and its kin make several resources at once.

Only the template functions that az writes are known: parameters, variables, resourceId, concat, and reference in outputs (left out).
A deployment that fails is told by its operation, not by the PUT: az reads nothing else.
Source: https://learn.microsoft.com/rest/api/resources/deployments (api-version 2024-11-01)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from iac_agent.azure.ids import ResourceId, group_id
from iac_agent.errors import UsageError
from iac_agent.gym import activity, faults
from iac_agent.gym.faults import ArmFaultError
from iac_agent.gym.services import Call, Operation, Outcome
from iac_agent.gym.store import Body

_TYPE = "Microsoft.Resources/deployments"
_ONE = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{_TYPE}/{{name}}"
_TOKEN = re.compile(r"\s*(?:'(?P<text>(?:[^']|'')*)'|(?P<name>\w+)\(|(?P<end>\))|(?P<comma>,))")
_ABOUT = ("apiVersion", "dependsOn", "type", "name", "comments")


class _Template:
    """The values of one template's expressions."""

    def __init__(self, group: str, template: Body, given: Body) -> None:
        self.group = group
        declared = template.get("parameters") or {}
        self.parameters = {n: p.get("defaultValue") for n, p in declared.items()} | {n: p.get("value") for n, p in given.items()}
        self.variables: Body = template.get("variables") or {}

    def value(self, told: Any) -> Any:
        """The value with every expression in it worked out. Raises NotEmulated for a function that az does not write."""
        if isinstance(told, dict):
            return {k: self.value(v) for k, v in told.items()}
        if isinstance(told, list):
            return [self.value(v) for v in told]
        if not isinstance(told, str) or not told.startswith("[") or told.startswith("[["):
            return told
        return self._called(iter(_TOKEN.finditer(told[1:-1])))[0]

    def _called(self, tokens: Iterator[re.Match[str]]) -> list[Any]:
        """The arguments up to the closing bracket, calls worked out."""
        found: list[Any] = []
        for token in tokens:
            if token["end"]:
                break
            if token["text"] is not None:
                found.append(token["text"].replace("''", "'"))
            elif token["name"]:
                found.append(self._apply(token["name"], self._called(tokens)))
        return found

    def _apply(self, name: str, arguments: list[Any]) -> Any:
        match name.lower():
            case "parameters":
                return self.parameters.get(arguments[0])
            case "variables":
                return self.value(self.variables.get(arguments[0]))
            case "concat":
                return "".join(map(str, arguments))
            case "resourceid":
                return f"{self.group}/providers/{_typed(arguments[0], arguments[1:])}"
        raise faults.not_emulated(f"the template function {name}")


def _typed(kind: str, names: list[str]) -> str:
    """`Microsoft.Network/virtualNetworks/subnets` and its names as they stand in an id."""
    namespace, *types = kind.split("/")
    return "/".join([namespace, *(x for pair in zip(types, names, strict=True) for x in pair)])


def _deploy(call: Call, parts: dict[str, str]) -> Outcome:
    properties = call.body.get("properties") or {}
    template = properties.get("template")
    if not isinstance(template, dict):
        raise faults.bad_request("InvalidTemplate", "The deployment has no template; the gym takes no templateLink.")
    call.cloud.require_group(parts["subscription"], parts["group"])
    worker = _Template(group_id(parts["subscription"], parts["group"]), template, properties.get("parameters") or {})
    told: Body = {"mode": "Incremental", "provisioningState": "Succeeded", "timestamp": call.cloud.now().isoformat(), "outputs": {}}
    try:
        made = [_write(call, worker, r) for r in _ordered(worker, template.get("resources") or [])]
        told["outputResources"] = [{"id": m} for m in made]
    except ArmFaultError as fault:
        details = [{"code": fault.code, "message": fault.message}]
        message = "At least one resource deployment operation failed. Please list deployment operations for details."
        told |= {"provisioningState": "Failed", "error": {"code": "DeploymentFailed", "message": message, "details": details}}
    body = {"id": call.path, "name": parts["name"], "type": _TYPE, "properties": told}
    call.cloud.store.set_setting("deployments", {**call.cloud.store.setting("deployments", {}), call.path.lower(): body})
    return 201, body


def _ordered(worker: _Template, resources: list[Body]) -> list[Body]:
    """What others depend on first."""
    names = {f"{r['type']}/{worker.value(r['name'])}".lower(): r for r in resources}
    done: dict[str, Body] = {}

    def visit(key: str, resource: Body, above: tuple[str, ...]) -> None:
        for needed in resource.get("dependsOn") or []:
            wanted = str(worker.value(needed)).lower().rsplit("/providers/", 1)[-1]
            inner = next((k for k in names if wanted in (k, k.rsplit("/", 1)[-1])), None)
            if inner and inner not in (*above, key):
                visit(inner, names[inner], (*above, key))
        done[key] = resource

    for key, resource in names.items():
        if key not in done:
            visit(key, resource, ())
    return list(done.values())


def _write(call: Call, worker: _Template, resource: Body) -> str:
    path = f"{worker.group}/providers/{_typed(str(resource['type']), str(worker.value(resource['name'])).split('/'))}"
    rid = ResourceId.parse(path)
    body = {k: worker.value(v) for k, v in resource.items() if k not in _ABOUT}
    written, created = call.cloud.put(rid, body, call.caller)
    call.cloud.store.record(activity.event(call.cloud, rid, "write", "Succeeded", call.caller, "PUT", 201 if created else 200))
    return str(written["id"])


def _known(call: Call, path: str) -> Body:
    found: Body | None = call.cloud.store.setting("deployments", {}).get(path.lower())
    if found is None:
        raise ArmFaultError(404, "DeploymentNotFound", f"Deployment '{path.rsplit('/', 1)[-1]}' could not be found.")
    return found


def _read(call: Call, _: dict[str, str]) -> Outcome:
    return 200, _known(call, call.path)


def _status(call: Call, _: dict[str, str]) -> Outcome:
    properties = _known(call, call.path.rsplit("/operationStatuses/", 1)[0])["properties"]
    error = {"error": properties["error"]} if "error" in properties else {}
    return 200, {"status": properties["provisioningState"], **error}


def _list(call: Call, _: dict[str, str]) -> Outcome:
    prefix = f"{call.path.lower()}/"
    return 200, {"value": [b for k, b in call.cloud.store.setting("deployments", {}).items() if k.startswith(prefix)]}


def status_url(endpoint: str, path: str, version: str) -> dict[str, str]:
    """The headers of the PUT's answer."""
    return {"Azure-AsyncOperation": f"{endpoint}{path}/operationStatuses/1?api-version={version}", "Retry-After": "1"}


def is_deployment(path: str) -> bool:
    try:
        return ResourceId.parse(path).type.lower() == _TYPE.lower()
    except UsageError:
        return False


ROUTES = [
    Operation("PUT", _ONE, _deploy),
    Operation("GET", _ONE, _read),
    Operation("GET", f"{_ONE}/operationStatuses/{{operation}}", _status),
    Operation("GET", _ONE.rsplit("/", 1)[0], _list),
]
TYPES: list[Any] = []
