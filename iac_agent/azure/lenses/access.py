"""How a resource of each strategy is created, read, updated and deleted through ARM."""

from __future__ import annotations

import copy
import re
from typing import Any

from iac_agent.azure.ids import same_id
from iac_agent.azure.lenses.convert import expand, flatten
from iac_agent.azure.lenses.table import (
    Arm,
    Association,
    Body,
    DataDisk,
    Inside,
    Lens,
    Put,
    Values,
    drop_path,
    get_path,
    put_path,
)
from iac_agent.errors import AzureNotFound

_SELECTOR = re.compile(r"(?P<array>.+?)\[name=\{(?P<attribute>\w+)\}\]\.(?P<rest>.+)")


def read(lens: Lens, arm: Arm, resource_id: str, known: Values, major: int) -> Values | None:
    """The live values of a resource, or None when it is gone. Raises AzureError for everything else."""
    live = live_body(lens, arm, resource_id, major)
    if live is None:
        return None
    values = {**lens.parse_id(resource_id), "id": resource_id}
    if "/resourcegroups/" in resource_id.lower():
        values.setdefault("resource_group_name", resource_id.split("/")[4])
    flat = flatten(lens, live, known, major)
    values = {**{k: v for k, v in flat.items() if v is not None or k not in values}, **_kept(values, known)}
    if isinstance(lens.strategy, Association) and not same_id(str(values.get(lens.strategy.target)), str(live["target"])):
        values[lens.strategy.target] = live["target"]
    if lens.hooks.read_more:
        lens.hooks.read_more(arm, live, values)
    return values


def _kept(from_id: Values, known: Values) -> Values:
    """Values taken from the id, in the spelling they had before (ARM may answer another case)."""
    return {k: known[k] if isinstance(known.get(k), str) and same_id(str(v), known[k]) else v for k, v in from_id.items()}


def live_body(lens: Lens, arm: Arm, resource_id: str, major: int) -> Body | None:
    """The ARM JSON of the resource itself: for an element of a parent that element, for an association the reference."""
    api = lens.api[major]
    match lens.strategy:
        case Put():
            return arm.get(lens.arm_path(resource_id), api)
        case Inside(array=array):
            owner = arm.get(lens.owner_id(resource_id), api)
            name = lens.parse_id(resource_id).get("name", "")
            return _named(get_path(owner, array), name) if owner else None
        case Association() as association:
            parts = lens.parse_id(resource_id)
            target = str(parts.get(association.target, ""))
            owner_id = str(parts.get(association.parent, "")) or resource_id
            owner = arm.get(owner_id, api)
            held = _slot(owner, association, parts) if owner else None
            if not target and isinstance(held, dict):
                return {"owner": owner_id, "target": held.get("id")}
            found = held if isinstance(held, list) else [held] if held else []
            if any(same_id(str(ref.get("id", "")), target) for ref in found):
                return {"owner": owner_id, "target": target}
            return None
        case DataDisk() as strategy:
            owner = arm.get(lens.owner_id(resource_id), api)
            name = str(lens.parse_id(resource_id).get("name", ""))
            return _named(get_path(owner, strategy.array), name) if owner else None


def _named(array: Any, name: str) -> Body | None:
    return next((e for e in array or [] if str(e.get("name", "")).lower() == str(name).lower()), None)


def _slot(owner: Body, association: Association, parts: Values) -> Any:
    holder, path = _holder(owner, association, parts)
    return get_path(holder, path) if holder is not None else None


def _holder(owner: Body, association: Association, parts: Values) -> tuple[Body | None, str]:
    """The object inside the owner that holds the slot, and the path from there."""
    match = _SELECTOR.fullmatch(association.slot)
    if not match:
        return owner, association.slot
    return _named(get_path(owner, match["array"]), str(parts.get(match["attribute"], ""))), match["rest"]


def create(lens: Lens, arm: Arm, values: Values, subscription: str, major: int) -> str:
    """Create the resource; returns its Terraform id. Raises AzureError."""
    resource_id = lens.build_id(values, subscription)
    match lens.strategy:
        case Put():
            arm.put(lens.arm_path(resource_id), expand(lens, values, major), lens.api[major])
            if lens.hooks.written:
                lens.hooks.written(arm, resource_id, values, major)
        case Inside(array=array):
            owner_id, owner = _require_owner(lens, arm, resource_id, major)
            elements = [e for e in get_path(owner, array) or [] if e.get("name") != values["name"]]
            put_path(owner, array, [*elements, _element(lens, values, owner_id, major)])
            arm.put(owner_id, owner, lens.api[major])
        case Association() as association:
            owner_id, owner = _require_owner(lens, arm, resource_id, major, str(values[association.parent]))
            _refer(owner, association, values, add=True)
            arm.put(owner_id, owner, lens.api[major])
        case DataDisk() as strategy:
            return _attach(lens, arm, values, strategy, major)
    return resource_id


def _element(lens: Lens, values: Values, owner_id: str, major: int) -> Body:
    return {"name": values["name"], **expand(lens, {**values, "owner": owner_id}, major)}


def _require_owner(lens: Lens, arm: Arm, resource_id: str, major: int, owner: str = "") -> tuple[str, Body]:
    owner_id = owner or lens.owner_id(resource_id)
    body = arm.get(owner_id, lens.api[major])
    if body is None:
        raise AzureNotFound(f"{owner_id} was not found, so {lens.type} cannot be written")
    return owner_id, copy.deepcopy(body)


def _refer(owner: Body, association: Association, parts: Values, *, add: bool) -> None:
    holder, path = _holder(owner, association, parts)
    if holder is None:
        raise AzureNotFound(f"IP Configuration {parts.get('ip_configuration_name')!r} was not found")
    target = str(parts[association.target])
    if association.many:
        others = [r for r in get_path(holder, path) or [] if not same_id(str(r.get("id", "")), target)]
        put_path(holder, path, [*others, {"id": target}] if add else others)
    elif add:
        put_path(holder, path, {"id": target})
    else:
        drop_path(holder, path)


def _attach(lens: Lens, arm: Arm, values: Values, strategy: DataDisk, major: int) -> str:
    owner_id, owner = _require_owner(lens, arm, "", major, str(values[strategy.parent]))
    disk_id = str(values["managed_disk_id"])
    disk = arm.get(disk_id, "2023-04-02")
    if disk is None:
        raise AzureNotFound(f"{disk_id} was not found")
    element = expand(lens, values, major)
    element["name"] = disk["name"]
    element["managedDisk"] = {"id": disk_id, "storageAccountType": get_path(disk, "sku.name")}
    disks = [d for d in get_path(owner, strategy.array) or [] if not same_id(str(get_path(d, "managedDisk.id")), disk_id)]
    put_path(owner, strategy.array, [*disks, element])
    arm.put(owner_id, _writable_vm(owner), lens.api[major])
    return f"{owner_id}/dataDisks/{disk['name']}"


def _writable_vm(owner: Body) -> Body:
    """A VM as azurerm sends it back: without what ARM alone fills (recorded in golden `disks`)."""
    owner.pop("resources", None)
    identity = owner.get("identity") or {}
    if identity.get("type") in (None, "None"):
        owner.pop("identity", None)
    drop_path(owner, "properties.instanceView")
    for path in ("properties.additionalCapabilities", "properties.applicationProfile"):
        if get_path(owner, path) in (None, {}, {"galleryApplications": []}):
            drop_path(owner, path)
    return owner


def update(lens: Lens, arm: Arm, resource_id: str, prior: Values, values: Values, major: int) -> None:
    """Bring the resource to `values`. What the lens does not manage on the live resource stays. Raises AzureError."""
    match lens.strategy:
        case Put(keep=keep):
            live = arm.get(lens.arm_path(resource_id), lens.api[major])
            if live is None:
                raise AzureNotFound(f"{resource_id} was not found")
            arm.put(lens.arm_path(resource_id), merged(lens, live, prior, values, keep, major), lens.api[major])
            if lens.hooks.written:
                lens.hooks.written(arm, resource_id, values, major)
        case Inside():
            create(lens, arm, values, "", major)
        case DataDisk() as strategy:
            _attach(lens, arm, values, strategy, major)
        case Association():
            raise AzureNotFound(f"{lens.type} cannot be changed in place")


def merged(lens: Lens, live: Body, prior: Values, values: Values, keep: tuple[str, ...], major: int) -> Body:
    """The update body: what changed between `prior` and `values` laid over the live resource; `keep` paths stay as they are."""
    was, new = expand(lens, prior, major), expand(lens, values, major)
    body = copy.deepcopy(live)
    kept = {path: copy.deepcopy(get_path(live, path)) for path in keep}
    _lay_over(body, was, new)
    for path, value in kept.items():
        if value is not None:
            put_path(body, path, value)
    return body


def _lay_over(body: Body, was: Body, new: Body) -> None:
    for key in was.keys() | new.keys():
        before, after = was.get(key), new.get(key)
        if before == after:
            continue
        if key not in new:
            body.pop(key, None)
        elif isinstance(after, dict) and isinstance(body.get(key), dict) and isinstance(before, dict | None):
            _lay_over(body[key], before or {}, after)
        elif isinstance(after, list) and isinstance(body.get(key), list):
            body[key] = [_overlaid(body[key], item, before) for item in after]
        else:
            body[key] = after


def _overlaid(live: list[Any], item: Any, before: Any) -> Any:
    """An element of an array, laid over the live element of the same name, so that what others wrote into it stays."""
    if not isinstance(item, dict) or "name" not in item:
        return item
    same = _named(live, item["name"])
    if same is None:
        return item
    base = copy.deepcopy(same)
    was = _named(before if isinstance(before, list) else [], item["name"]) or {}
    _lay_over(base, was, item)
    return base


def delete(lens: Lens, arm: Arm, resource_id: str, values: Values, major: int) -> None:
    """Delete the resource. Raises AzureError."""
    match lens.strategy:
        case Put():
            path = lens.arm_path(resource_id)
            live = arm.get(path, lens.api[major]) if lens.hooks.removed else None
            arm.delete(path, lens.api[major])
            if lens.hooks.removed and live:
                lens.hooks.removed(arm, live, values)
        case Inside(array=array):
            owner_id, owner = _require_owner(lens, arm, resource_id, major)
            put_path(owner, array, [e for e in get_path(owner, array) or [] if e.get("name") != values["name"]])
            arm.put(owner_id, owner, lens.api[major])
        case Association() as association:
            owner_id, owner = _require_owner(lens, arm, resource_id, major, str(values[association.parent]))
            _refer(owner, association, values, add=False)
            arm.put(owner_id, owner, lens.api[major])
        case DataDisk() as strategy:
            owner_id, owner = _require_owner(lens, arm, resource_id, major, str(values[strategy.parent]))
            gone = str(values["managed_disk_id"])
            disks = get_path(owner, strategy.array) or []
            put_path(owner, strategy.array, [d for d in disks if not same_id(str(get_path(d, "managedDisk.id")), gone)])
            arm.put(owner_id, _writable_vm(owner), lens.api[major])
