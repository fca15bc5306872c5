"""The ARM rules that hold for every type: where a resource may be, who locks it, what refers to it, and how it is written.

Services say what is special about their types with `ResourceType`; nothing here knows a service.
"""

from __future__ import annotations

import copy
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from iac_agent.azure.ids import ResourceId, group_id
from iac_agent.gym import defaults, faults
from iac_agent.gym.store import Body, Resource, Store

LOCATIONS = [
    "westeurope",
    "northeurope",
    "eastus",
    "eastus2",
    "westus",
    "westus2",
    "westus3",
    "centralus",
    "northcentralus",
    "southcentralus",
    "canadacentral",
    "uksouth",
    "ukwest",
    "francecentral",
    "germanywestcentral",
    "switzerlandnorth",
    "swedencentral",
    "norwayeast",
    "polandcentral",
    "italynorth",
    "spaincentral",
    "eastasia",
    "southeastasia",
    "japaneast",
    "japanwest",
    "koreacentral",
    "australiaeast",
    "australiasoutheast",
    "centralindia",
    "southindia",
    "brazilsouth",
    "southafricanorth",
    "uaenorth",
    "qatarcentral",
    "israelcentral",
]


@dataclass(frozen=True)
class Caller:
    """Who makes a request: claims of the token, and the client as its User-Agent names it."""

    claims: Body
    client: str
    address: str
    correlation: str

    @property
    def name(self) -> str:
        """As `changedBy` and the activity log's `caller` have it: a user's upn, the object id of an application."""
        return str(self.claims.get("upn") or self.claims.get("oid") or "Unspecified")


@dataclass
class Write:
    """One PUT on its way: services read and change `body` and `hidden`."""

    cloud: Cloud
    id: ResourceId
    body: Body
    before: Resource | None
    hidden: Body
    caller: Caller

    @property
    def properties(self) -> Body:
        found: Body = self.body.setdefault("properties", {})
        return found

    @property
    def old(self) -> Body:
        """The properties before; empty on create."""
        return self.before.properties if self.before else {}

    def require(self, target: Any) -> Resource | Body:
        """The resource an id refers to. Raises InvalidResourceReference."""
        found = self.cloud.find(str(target))
        if found is None:
            raise faults.invalid_reference(str(target), self.id.text)
        return found


Hook = Callable[[Write], None]


@dataclass(frozen=True)
class ResourceType:
    """What is special about one ARM type.

    fill: validate the body and add what the cloud adds. removing: raise when it is in use, undo its effects otherwise.
    held_in: the array of the parent's properties that holds it (a subnet in its network); empty for a resource of its own.
    slow: writes are long-running operations; quick_delete: but deletes are not; shown_on_delete: they answer what is gone.
    scoped: an extension of any resource.
    """

    name: str
    created: int = 201
    located: bool = True
    slow: bool = False
    scoped: bool = False
    held_in: str = ""
    implicit_parent: bool = False
    quick_delete: bool = False
    shown_on_delete: bool = False
    fill: Hook | None = None
    removing: Callable[[Cloud, Resource], None] | None = None
    show: Callable[[Cloud, Resource], Body] | None = None

    @property
    def key(self) -> str:
        return self.name.lower()

    def holder(self, parent: ResourceId) -> ResourceId:
        """The resource that must be there for one of this type below `parent`: an implicit parent comes with its own."""
        while self.implicit_parent and len(parent.types) > 1:
            parent = ResourceId.parse(parent.parent)
        return parent


_SERVICE = re.compile("/(?:blob|file|queue|table)Services/default$", re.IGNORECASE)


@dataclass
class Cloud:
    """The state of the gym plus the rules. `types` by lower-case name; `children` by lower-case parent type.

    `enforce` changes what is being written, as policies do. `paged` are the rows of queries whose pages are still being read.
    """

    store: Store
    endpoint: str
    types: dict[str, ResourceType]
    enforce: Callable[[Write, ResourceType], None] = lambda write, kind: None
    children: dict[str, list[ResourceType]] = field(default_factory=dict)
    paged: dict[str, tuple[int, list[Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in self.types.values():
            if kind.held_in:
                self.children.setdefault(kind.key.rsplit("/", 1)[0], []).append(kind)

    def now(self) -> datetime:
        """The gym's clock: real time, or the moment it was stopped at, plus an offset."""
        stopped = self.store.setting("clock_stopped")
        running = datetime.fromtimestamp(float(stopped), UTC) if stopped is not None else datetime.now(UTC)
        return running + timedelta(seconds=float(self.store.setting("clock_offset", 0)))

    # --- finding -----------------------------------------------------------------------------------------------

    def kind(self, rid: ResourceId) -> ResourceType:
        found = self.types.get(rid.type.lower())
        if found is None:
            raise faults.not_emulated(f"the resource type {rid.type}")
        return found

    def find(self, resource_id: str) -> Resource | Body | None:
        """A resource, or the element of a parent that an id names; None when there is none."""
        found = self.store.get(resource_id)
        if found is not None:
            return found
        return self.element(resource_id)

    def exists(self, resource_id: str) -> bool:
        """Whether there is such a resource; the services of a storage account come with it."""
        return self.find(_SERVICE.sub("", resource_id)) is not None

    def element(self, resource_id: str) -> Body | None:
        parts = resource_id.rsplit("/", 2)
        if len(parts) != 3:
            return None
        parent = self.store.get(parts[0])
        kinds = self.children.get(parent.type.lower(), ()) if parent else ()
        kind = next((k for k in kinds if k.key.endswith(f"/{parts[1].lower()}")), None)
        array = _property(parent.properties, kind.held_in) if parent and kind else None
        if not isinstance(array, list):
            return None
        return next((e for e in array if str(e.get("name", "")).lower() == parts[2].lower()), None)

    # --- guards ------------------------------------------------------------------------------------------------

    def require_group(self, subscription: str, group: str) -> Resource:
        found = self.store.get(group_id(subscription, group))
        if found is None:
            raise faults.group_not_found(group)
        return found

    def require_unlocked(self, path: str, action: str) -> None:
        """Raise ScopeLocked when a management lock at or above `path` (or, for deletes, below it) forbids the action."""
        target = path.lower()
        if "/providers/microsoft.authorization/locks/" in target:
            return
        for lock in self.store.of_type("Microsoft.Authorization/locks"):
            level = lock.properties.get("level")
            scope = lock.id.lower().split("/providers/microsoft.authorization/locks/")[0]
            covers = target == scope or target.startswith(scope + "/")
            below = action == "delete" and scope.startswith(target + "/")
            if (covers or below) and (level == "ReadOnly" or action == "delete"):
                raise faults.locked(action, path, lock.id[: len(scope)])

    def _check_place(self, rid: ResourceId, kind: ResourceType, body: Body, before: Resource | None) -> None:
        location = body.get("location")
        if not kind.located or rid.scope:
            return
        if before is not None:
            there = str(before.body.get("location", ""))
            if location is not None and _plain(location) != _plain(there):
                raise faults.location_conflict(rid.name, there, rid.resource_group, str(location))
            body["location"] = there
            return
        if not location:
            raise faults.location_required(kind.name)
        if _plain(location) not in (*LOCATIONS, "global"):
            raise faults.location_unknown(str(location), kind.name, list(LOCATIONS))
        body["location"] = _plain(location)

    # --- writing -----------------------------------------------------------------------------------------------

    def put(self, rid: ResourceId, body: Body, caller: Caller) -> tuple[Body, bool]:
        """Create or replace; returns the body as stored and whether it was created. Raises ArmFaultError."""
        kind = self.kind(rid)
        self._check_parents(rid, kind)
        self.require_unlocked(rid.text, "write")
        if kind.held_in:
            return self._put_element(rid, kind, body, caller)
        before = self.store.get(rid.text)
        write = Write(self, rid, copy.deepcopy(body), copy.deepcopy(before), dict(before.hidden) if before else {}, caller)
        self._check_place(rid, kind, write.body, before)
        self.enforce(write, kind)
        self._finish(write, kind)
        return write.body, before is None

    def _finish(self, write: Write, kind: ResourceType) -> None:
        rid, before = write.id, write.before
        _require_shape(write.body)
        text = before.id if before else rid.text
        write.body.update(id=text, name=before.body["name"] if before else rid.name, type=kind.name)
        if write.body.get("tags") is None:
            write.body["tags"] = {}
        write.body["etag"] = f'W/"{uuid.uuid4()}"'
        for child in self.children.get(kind.key, ()):
            self._settle_elements(write, child)
        defaults.fill(kind.name, write.body)
        if kind.fill:
            kind.fill(write)
        if write.body.get("properties") is not None or not kind.scoped:
            write.properties.setdefault("provisioningState", "Succeeded")
        self.store.save(Resource(text, write.body, write.hidden))

    def _settle_elements(self, write: Write, child: ResourceType) -> None:
        """Give every element of a child array its id, type and state, and let its own type check it."""
        old = _property(write.old, child.held_in) or []
        given = _property(write.properties, child.held_in)
        if given is None:
            given = copy.deepcopy(old)
        _set_property(write.properties, child.held_in, given)
        for element in given:
            if not element.get("name"):
                raise faults.bad_request("InvalidRequestFormat", f"An element of {child.held_in} has no name.")
            segment = child.name.rsplit("/", 1)[1]
            before = next((o for o in old if str(o.get("name")).lower() == str(element["name"]).lower()), None)
            element["id"] = f"{write.id.text}/{segment}/{element['name']}"
            element["type"] = child.name
            element["etag"] = write.body.get("etag") or f'W/"{uuid.uuid4()}"'
            properties = element.setdefault("properties", {})
            properties["provisioningState"] = "Succeeded"
            if child.fill:
                inner = ResourceId.parse(element["id"])
                held = Resource(element["id"], before) if before else None
                child.fill(Write(self, inner, element, held, {}, write.caller))

    def _put_element(self, rid: ResourceId, kind: ResourceType, body: Body, caller: Caller) -> tuple[Body, bool]:
        parent = self.store.get(rid.parent)
        if parent is None:
            raise faults.resource_not_found(rid.parent, rid.resource_group)
        changed = copy.deepcopy(parent.body)
        array = list(_property(changed["properties"], kind.held_in) or [])
        position = next((i for i, e in enumerate(array) if e["name"].lower() == rid.name.lower()), None)
        element = {**copy.deepcopy(body), "name": rid.name}
        if position is None:
            array.append(element)
        else:
            element["name"] = array[position]["name"]
            array[position] = element
        _set_property(changed["properties"], kind.held_in, array)
        parent_id = ResourceId.parse(parent.id)
        write = Write(self, parent_id, changed, copy.deepcopy(parent), dict(parent.hidden), caller)
        self._finish(write, self.kind(parent_id))
        return next(e for e in array if e["name"] == element["name"]), position is None

    def _check_parents(self, rid: ResourceId, kind: ResourceType) -> None:
        if rid.scope:
            if "/providers/" in rid.scope.lower() and not self.exists(rid.scope):
                raise faults.resource_not_found(rid.scope, rid.resource_group)
            if rid.resource_group:
                self.require_group(rid.subscription, rid.resource_group)
            return
        if rid.resource_group and rid.types != ("resourceGroups",):
            self.require_group(rid.subscription, rid.resource_group)
        if len(rid.types) > 1:
            parent = kind.holder(ResourceId.parse(rid.parent))
            if self.find(parent.text) is None:
                raise faults.parent_not_found(parent.text, kind.name)

    # --- deleting ----------------------------------------------------------------------------------------------

    def delete(self, rid: ResourceId, caller: Caller) -> bool:
        """Delete; False when there was nothing. Raises ArmFaultError when it is locked or in use."""
        kind = self.kind(rid)
        found = self.find(rid.text)
        if found is None:
            return False
        self.require_unlocked(rid.text, "delete")
        resource = found if isinstance(found, Resource) else Resource(str(found["id"]), found)
        if kind.removing:
            kind.removing(self, resource)
        if kind.held_in and not isinstance(found, Resource):
            self._remove_element(rid, kind, caller)
            return True
        for inner in self._removal_order(resource.id):
            removing = self.types[inner.type.lower()].removing if inner.type.lower() in self.types else None
            held = self.store.get(inner.id)
            if held is not None and removing and rid.types == ("resourceGroups",):
                removing(self, held)
            self.store.remove(inner.id)
        self.store.remove(resource.id)
        return True

    def _removal_order(self, prefix: str) -> list[Resource]:
        """What is below, users before what they use: a group goes machines first, networks last."""
        last = ("networkInterfaces", "loadBalancers", "natGateways", "virtualNetworkLinks", "publicIPAddresses", "virtualNetworks")
        rank = {f"microsoft.network/{name}".lower(): n for n, name in enumerate(last, 1)}
        rank["microsoft.network/privatednszones/virtualnetworklinks"] = -1
        found = self.store.below(prefix)
        late = ("microsoft.compute/disks", "microsoft.network/networksecuritygroups", "microsoft.network/routetables")
        return sorted(found, key=lambda r: (rank.get(r.type.lower(), 9 if r.type.lower() in late else 0), r.id))

    def _remove_element(self, rid: ResourceId, kind: ResourceType, caller: Caller) -> None:
        parent = self.store.get(rid.parent)
        assert parent is not None
        changed = copy.deepcopy(parent.body)
        array = _property(changed["properties"], kind.held_in) or []
        kept = [e for e in array if e["name"].lower() != rid.name.lower()]
        _set_property(changed["properties"], kind.held_in, kept)
        parent_id = ResourceId.parse(parent.id)
        self._finish(Write(self, parent_id, changed, copy.deepcopy(parent), dict(parent.hidden), caller), self.kind(parent_id))

    def shown(self, resource: Resource) -> Body | None:
        """The body with what only shows on reading; None when the stored body is all there is."""
        kind = self.types.get(resource.type.lower())
        return kind.show(self, resource) if kind and kind.show else None


def _property(properties: Body, path: str) -> Any:
    value: Any = properties
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _set_property(properties: Body, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for part in parents:
        properties = properties.setdefault(part, {})
    properties[last] = value


def _require_shape(body: Body) -> None:
    """Raise InvalidRequestContent for bodies that no type accepts."""
    for name in ("properties", "sku", "identity", "tags"):
        value = body.get(name)
        if name in body and value is not None and not isinstance(value, dict):
            raise faults.invalid_content(f"'{name}' must be an object")
        if name in body and value is None:
            del body[name]
    for key, value in (body.get("tags") or {}).items():
        if not isinstance(value, str):
            raise faults.invalid_content(f"the value of tag '{key}' must be a string")


def _plain(location: object) -> str:
    return str(location).replace(" ", "").lower()


def stable_guid(*parts: str) -> str:
    """A GUID that is the same whenever the same resource is made: lower-case parts of its id decide it."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(p.lower() for p in parts)))
