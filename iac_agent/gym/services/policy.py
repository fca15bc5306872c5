"""Microsoft.Authorization policies, as far as they make drift: definitions and assignments whose effect adds, replaces or removes tags
and properties of what is written, and the remediation that does it to what is there already.

Sources: https://learn.microsoft.com/azure/governance/policy/concepts/effect-modify, .../effect-append and
https://learn.microsoft.com/azure/governance/policy/concepts/definition-structure-policy-rule; api-versions 2023-04-01 and 2021-10-01.
"""

from __future__ import annotations

import copy
import fnmatch
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from iac_agent.azure.ids import ResourceId
from iac_agent.azure.lenses.table import get_path, put_path
from iac_agent.gym import activity, faults
from iac_agent.gym.cloud import Cloud, ResourceType, Write, stable_guid
from iac_agent.gym.services import Call, Operation, Outcome
from iac_agent.gym.store import Body, Resource

_DEFINITION = "Microsoft.Authorization/policyDefinitions"
_ASSIGNMENT = "Microsoft.Authorization/policyAssignments"
_REMEDIATION = "Microsoft.PolicyInsights/remediations"
_TAG = re.compile(r"tags(?:\[['\"]?(.+?)['\"]?\]|\.(.+))", re.IGNORECASE)
_CALL = re.compile(r"\[(\w+)\((?:'([^']*)')?\)((?:\.\w+|\['[^']*'\])*)\]")


@dataclass(frozen=True)
class _Policy:
    """An assignment with the definition it assigns."""

    assignment: Resource
    definition: Resource
    parameters: Body

    @property
    def effect(self) -> str:
        return str(self.definition.properties["policyRule"]["then"]["effect"]).lower()


def _assigned(cloud: Cloud, resource_id: str) -> Iterator[_Policy]:
    """The policies in force at a resource."""
    for assignment in cloud.store.of_type(_ASSIGNMENT):
        scope = _scope(assignment.id).lower()
        definition = cloud.store.get(str(assignment.properties.get("policyDefinitionId")))
        if definition is not None and f"{resource_id.lower()}/".startswith(f"{scope}/"):
            declared = definition.properties.get("parameters") or {}
            values = {name: told.get("defaultValue") for name, told in declared.items()}
            values |= {name: told.get("value") for name, told in (assignment.properties.get("parameters") or {}).items()}
            yield _Policy(assignment, definition, values)


def _scope(assignment_id: str) -> str:
    return re.split(f"/providers/{_ASSIGNMENT}/", assignment_id, flags=re.IGNORECASE)[0]


def enforce(write: Write, kind: ResourceType) -> None:
    """Change what is being written as the policies in force say, and tell so in the activity log."""
    if kind.scoped or write.id.namespace.lower() in ("microsoft.authorization", "microsoft.policyinsights"):
        return
    for policy in _assigned(write.cloud, write.id.text):
        body = {**write.body, "type": kind.name, "name": write.id.name}
        if _holds(policy.definition.properties["policyRule"]["if"], policy, write, body) and _change(policy, write):
            write.cloud.store.record(_event(policy, write))


def _change(policy: _Policy, write: Write) -> bool:
    """Whether the effect changed anything."""
    before = copy.deepcopy(write.body)
    details = policy.definition.properties["policyRule"]["then"].get("details") or []
    operations = details.get("operations") or [] if isinstance(details, dict) else [{**d, "operation": "add"} for d in details]
    for operation in operations:
        _apply(operation, _value(operation.get("value"), policy, write), policy, write)
    return write.body != before


def _apply(operation: Body, value: Any, policy: _Policy, write: Write) -> None:
    field, verb = _value(operation["field"], policy, write), str(operation["operation"]).lower()
    tag = _TAG.fullmatch(str(field))
    if tag:
        tags = write.body["tags"] = dict(write.body.get("tags") or {})
        name = tag[1] or tag[2]
        if verb == "remove":
            tags.pop(name, None)
        elif verb == "addorreplace" or name not in tags:
            tags[name] = str(value)
        return
    path = _property_path(str(field))
    if verb == "addorreplace" or (verb == "add" and get_path(write.body, f"properties.{path}") is None):
        put_path(write.properties, path, value)


def _property_path(alias: str) -> str:
    """`Microsoft.Storage/storageAccounts/supportsHttpsTrafficOnly` as the path below `properties`."""
    return alias.rsplit("/", 1)[-1]


def _event(policy: _Policy, write: Write) -> Body:
    """What the activity log holds of it: the write's correlation, and which assignment of which definition had which effect."""
    told = activity.event(write.cloud, write.id, "write", "Succeeded", write.caller, "PUT", 200)
    operation = f"Microsoft.Authorization/policies/{policy.effect}/action"
    shown = {
        "policyDefinitionId": policy.definition.id,
        "policyDefinitionName": policy.definition.body["name"],
        "policyDefinitionEffect": policy.effect,
        "policyAssignmentId": policy.assignment.id,
        "policyAssignmentName": policy.assignment.body["name"],
        "policyAssignmentScope": policy.assignment.properties.get("scope"),
    }
    properties = {"isComplianceCheck": "False", "resourceLocation": write.body.get("location"), "policies": json.dumps([shown])}
    name = {"value": operation, "localizedValue": f"'{policy.effect}' Policy action."}
    category = {"value": "Policy", "localizedValue": "Policy"}
    return {**told, "operationName": name, "category": category, "properties": properties}


# --- conditions ----------------------------------------------------------------------------------------------------------


def _holds(condition: Body, policy: _Policy, write: Write, body: Body) -> bool:
    if "allOf" in condition:
        return all(_holds(c, policy, write, body) for c in condition["allOf"])
    if "anyOf" in condition:
        return any(_holds(c, policy, write, body) for c in condition["anyOf"])
    if "not" in condition:
        return not _holds(condition["not"], policy, write, body)
    found = _field(str(_value(condition.get("field"), policy, write)), write, body)
    operator, wanted = next((k, _value(v, policy, write)) for k, v in condition.items() if k not in ("field", "value"))
    return _compare(operator.lower(), found, wanted)


def _field(name: str, write: Write, body: Body) -> Any:
    tag = _TAG.fullmatch(name)
    if tag:
        return (body.get("tags") or {}).get(tag[1] or tag[2])
    if name.lower() in ("type", "name", "location", "kind", "id"):
        return write.id.text if name.lower() == "id" else body.get(name.lower())
    return get_path(body, f"properties.{_property_path(name)}")


def _compare(operator: str, found: Any, wanted: Any) -> bool:
    plain, target = str(found or "").lower(), str(wanted).lower()
    match operator:
        case "exists":
            return (found is not None) == (target == "true")
        case "equals":
            return plain == target
        case "notequals":
            return plain != target
        case "in" | "notin":
            return (plain in [str(w).lower() for w in wanted]) == (operator == "in")
        case "like" | "notlike":
            return fnmatch.fnmatchcase(plain, target) == (operator == "like")
    raise faults.not_emulated(f"the policy condition {operator}")


def _value(told: Any, policy: _Policy, write: Write) -> Any:
    """A value, or what `[parameters('x')]`, `[concat('tags[', ...)]` and `[resourceGroup().tags['x']]` stand for."""
    if not isinstance(told, str) or not told.startswith("["):
        return told
    if told.startswith("[concat("):
        return "".join(str(_value(f"[{p}]" if not p.startswith("'") else p.strip("'"), policy, write)) for p in _arguments(told))
    call = _CALL.fullmatch(told)
    if call and call[1] == "parameters":
        return policy.parameters.get(call[2])
    if call and call[1] == "resourceGroup":
        found: Any = write.cloud.require_group(write.id.subscription, write.id.resource_group).body
        for step in re.findall(r"\w+", call[3]):
            found = (found or {}).get(step)
        return found
    raise faults.not_emulated(f"the policy expression {told}")


def _arguments(told: str) -> list[str]:
    """The arguments of `[concat(...)]`: strings in quotes, and calls."""
    return re.findall(r"'[^']*'|\w+\('[^']*'\)", told[len("[concat(") : -2])


# --- resources ---------------------------------------------------------------------------------------------------------------


def _fill_definition(write: Write) -> None:
    rule = write.properties.get("policyRule") or {}
    effect = str((rule.get("then") or {}).get("effect", "")).lower()
    if "if" not in rule or effect not in ("modify", "append"):
        raise faults.not_emulated(f"a policy with the effect {effect or 'of nothing'} (the gym has modify and append)")
    write.properties.setdefault("policyType", "Custom")
    write.properties.setdefault("mode", "Indexed")


def _fill_assignment(write: Write) -> None:
    write.require(write.properties.get("policyDefinitionId", ""))
    write.properties["scope"] = _scope(write.id.text)
    write.properties.setdefault("enforcementMode", "Default")
    if write.body.get("identity"):
        write.body["identity"]["principalId"] = stable_guid(write.id.text, "principal")


def _remediate(call: Call, parts: dict[str, str]) -> Outcome:
    """Write everything below the scope again, as the assignment's own identity: the policy changes it on the way."""
    assignment = call.cloud.store.get(str((call.body.get("properties") or {}).get("policyAssignmentId")))
    if assignment is None:
        raise faults.bad_request("InvalidPolicyAssignmentId", "The policy assignment of the remediation was not found.")
    call.caller = replace(call.caller, claims=_identity_of(assignment), client="Microsoft.PolicyInsights")
    done = 0
    for resource in call.cloud.store.below(f"/{parts['scope']}"):
        rid = ResourceId.parse(resource.id)
        if rid.scope or len(rid.types) > 1 or not any(p.assignment.id == assignment.id for p in _assigned(call.cloud, resource.id)):
            continue
        written, _ = call.cloud.put(rid, resource.body, call.caller)
        if (written.get("tags"), written.get("properties")) != (resource.body.get("tags"), resource.properties):
            done += 1
            call.cloud.store.record(activity.event(call.cloud, rid, "write", "Succeeded", call.caller, "PUT", 200))
    status = {"totalDeployments": done, "successfulDeployments": done, "failedDeployments": 0}
    properties = {**call.body["properties"], "provisioningState": "Succeeded", "deploymentStatus": status}
    return 201, {"id": call.path, "name": parts["name"], "type": _REMEDIATION, "properties": properties}


def _identity_of(assignment: Resource) -> Body:
    principal = stable_guid(assignment.id, "principal")
    return {"oid": principal, "appid": stable_guid(assignment.id, "client"), "idtyp": "app", "xms_mirid": assignment.id}


TYPES = [
    ResourceType(_DEFINITION, located=False, scoped=True, fill=_fill_definition),
    ResourceType(_ASSIGNMENT, located=False, scoped=True, fill=_fill_assignment),
]
ROUTES = [Operation("PUT", f"/{{scope*}}/providers/{_REMEDIATION}/{{name}}", _remediate)]
