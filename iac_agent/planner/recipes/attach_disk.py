"""Attach new data disks: one more element where the repository keeps disks as data, else a disk and its attachment as resources."""

from __future__ import annotations

import re

from iac_agent.hcl import edits as e
from iac_agent.hcl.address import parse_path, show_path
from iac_agent.hcl.document import literal
from iac_agent.hcl.value import Place, Value
from iac_agent.planner.inventory import ATTACHMENT, DISK, MACHINES, Resource
from iac_agent.planner.machines.copying import element_of
from iac_agent.planner.protocol import Refusal, Unsettled
from iac_agent.planner.recipes.grow_disk import DISKS, NEW
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World, listed
from iac_agent.planner.writing.style import add_resource, file_of, label_for, reference, tags_source
from iac_agent.planner.writing.write import home_of

_KINDS: tuple[tuple[str, str], ...] = (
    (r"premium\s*(?:ssd\s*)?v2|premiumv2\w*", "PremiumV2_LRS"),
    (r"ultra(?:ssd|\s*disk)?\w*", "UltraSSD_LRS"),
    (r"premium\w*", "Premium_LRS"),
    (r"standard[\s-]*ssds?|standardssd\w*", "StandardSSD_LRS"),
    (r"hdds?|spinning(?: one)?|magnetic|rust|standard_lrs|standard\s+(?:hdd|disk|drive)|cheap(?:est)?|slow", "Standard_LRS"),
    (r"ssds?", "StandardSSD_LRS"),
    (r"standard", "Standard_LRS"),
)
_WORDS = re.compile(
    r"\b(?:attach|hook|mount|plug|stick|slap|put|give|gets?|add|needs?|wants?|create|new|another|extra|additional|second|"
    r"third|one more|up|on to|onto|to|for|running|out of|room|space|"
    r"premium\w*|standard\w*|ssds?|hdds?|ultra\w*|v2|cheap|spinning|one|will do|data disks?|disks?|drives?|volumes?|"
    r"\d+(?:[.,]\d+)?\s*-?(?:tib|tb|terabytes?|gib|gb|gigs?|gigabytes?|g)|half a terabyte|of)\b|\blun \d+\b",
    re.IGNORECASE,
)
_CALLED = re.compile(
    r"\b(?:called|named|name it|call it|(?:disk|drive|volume)(?=\s+[\"'`]?disk-))\s+[\"'`]?(?P<name>[A-Za-z][\w-]*)", re.IGNORECASE
)
_PURPOSE = re.compile(
    r"\b(?:an?|another|extra|new|more)\s+(?:[\w.]+\s+)*?(?P<name>logs?|backup|scratch|data|wal|temp|cache|archive|spool|"
    r"media|uploads?|journal)\s+(?:disk|drive|volume)\b|\bfor (?:its |the )?(?P<use>logs|backups?|scratch|wal|temp|cache|"
    r"archives?|spool|media|uploads)\b",
    re.IGNORECASE,
)
_DEFAULT_GB = 128
_UNCACHED = ("PremiumV2_LRS", "UltraSSD_LRS")


class AttachDisk:
    id = "attach-disk"
    title = "attach a new data disk"
    examples: tuple[str, ...] = ("attach a 256 GB premium disk to vm-web", "give every vm a 1 TB hdd", "stick another disk on db")

    def claims(self, wish: Wish, world: World) -> bool:
        if wish.has(r"^\W*(?:drop|remove|delete|detach|get rid of|take (?:away|off|out)|unhook|lose)\b"):
            return False
        if wish.has(r"\bscratch space\b") and wish.amounts:
            return True
        if _named_disk(wish, world):
            return True
        return (wish.has(DISKS) and wish.has(NEW)) or (bool(wish.amounts) and wish.has(r"\b(?:ssd|hdd|premium)\b") and not wish.cores)

    def plan(self, wish: Wish, world: World) -> None:
        if self._existing(wish, world):
            return
        text = _CALLED.sub(" ", _PURPOSE.sub(" ", re.sub(r"\b(?:just )?like (?:the )?[\w-]+(?:\s+has)?\b", " ", wish.text)))
        machines = list(world.choose(wish, MACHINES, _WORDS.sub(lambda m: " " * len(m[0]), text)))
        size = wish.amounts[0].gigabytes if wish.amounts else _DEFAULT_GB
        kind = next((k for p, k in _KINDS if wish.has(rf"\b(?:{p})\b")), "")
        called = _CALLED.search(wish.text)
        purpose = _PURPOSE.search(wish.text)
        name = called["name"] if called else (purpose["name"] or purpose["use"]) if purpose else ""
        before = {m: len(world.inventory.disks_of(m)) for m in world.inventory.of_types(*MACHINES)}
        number = _how_many(wish.text)
        self._require_unit(wish, machines, world)
        for _ in range(number):
            left = [m for m in machines if not self._as_data(m, size, kind, name.lower(), world)]
            for block in dict.fromkeys(m.block_address for m in left):
                self._as_resources([m for m in left if m.block_address == block], size, kind, name, world)
        self._require_attached(machines, before, number, world)
        world.say(f"Attach a new disk of {size} GB to {listed(machines)}.")

    @staticmethod
    def _require_unit(wish: Wish, machines: list[Resource], world: World) -> None:
        """Leave only the unit number that was asked for; raise Unsettled when it is taken."""
        asked = re.search(r"\blun\s*#?(\d{1,2})\b", wish.text, re.IGNORECASE)
        if asked is None:
            return
        lun = int(asked[1])
        for machine in machines:
            if lun > 63 or lun in _used_luns([machine], world):
                raise Unsettled(Refusal(f"LUN {lun} of {listed([machine])} is taken, or is above 63. Name another, or none."))
            world.luns.setdefault(machine.address, set()).update(set(range(64)) - {lun})

    @staticmethod
    def _require_attached(machines: list[Resource], before: dict[Resource, int], number: int, world: World) -> None:
        """Raise Unsettled unless these machines, and no others, have that many disks more now."""
        after = world.trial()
        after.advance()
        if after.inventory.configuration.unexpanded:
            return
        for machine, held in before.items():
            now = after.inventory.by_address.get(machine.address)
            wanted = held + (number if machine in machines else 0)
            if now is not None and len(after.inventory.disks_of(now)) != wanted:
                raise Unsettled(
                    Refusal(f"I cannot tell how {listed([machine])} alone would get a disk here. Write it where its disks are.")
                )

    @staticmethod
    def _existing(wish: Wish, world: World) -> bool:
        """Attach a disk that is there: named as `the scratch disk`, or by its Azure name."""
        lent = re.search(r"[\w-]+'s\s+(?:data |\w+ )?(?:disk|drive)\s+to\b", wish.text, re.IGNORECASE)
        if lent and not wish.amounts:
            raise Unsettled(Refusal("A disk belongs to one machine unless it is shared (max_shares): detach it there first."))
        known = [m for m in world.selector.names.mentions(wish.text) if any(r.type == DISK for _, r in m.named)]
        definite = [
            m
            for m in known
            if re.search(r"\bthe\s+(?:\w+\s+)?$", wish.text[: m.start], re.IGNORECASE)
            and re.match(r"\s*(?:data )?disk\b", wish.text[m.end :], re.IGNORECASE)
        ]
        by_name = 3 if _named_disk(wish, world) else 4
        mentioned = [r for m in known for s, r in m.named if r.type == DISK and (s >= by_name or m in definite)]
        if (
            mentioned
            and not wish.amounts
            and not re.search(r"\b(?:an?|another|new|one more|extra)\s+(?:\w+\s+)*?(?:disk|drive)", wish.text, re.IGNORECASE)
        ):
            disk = mentioned[0]
            held = [m for a in world.inventory.attachments_of(disk) for m in world.inventory.refers_to(a, *MACHINES)]
            if held:
                raise Unsettled(
                    Refusal(
                        f"{disk.address} is attached to {listed(held)}; a disk belongs to one machine unless it is shared (max_shares)."
                    )
                )
            rest = wish.text
            for mention in sorted(known, key=lambda m: -m.start):
                if any(r is disk for _, r in mention.named):
                    rest = rest[: mention.start] + " " + rest[mention.end :]
            machines = list(world.choose(wish, MACHINES, _WORDS.sub(" ", rest)))
            if len(machines) > 1:
                raise Unsettled(Refusal(f"{disk.address} can be attached to one machine only, unless it is shared (max_shares)."))
            AttachDisk._attach(disk, machines[0], world)
            return True
        return False

    @staticmethod
    def _attach(disk: Resource, machine: Resource, world: World) -> None:
        label = label_for(world, ATTACHMENT, disk.label)
        disk_id, machine_id = reference(world, disk), reference(world, machine)
        if disk_id is None or machine_id is None:
            raise Unsettled(Refusal(f"{disk.address} or {machine.address} is in a module without an output for its id."))
        add_resource(
            world,
            ATTACHMENT,
            label,
            _attachment(disk_id, machine_id, _free_lun([machine], world), str(disk.value("storage_account_type"))),
            file_of(disk),
        )
        world.say(f"Attach {listed([disk])} to {listed([machine])}.")

    # --- disks kept as data ----------------------------------------------------------------------------------------------

    def _as_data(self, machine: Resource, size: int, kind: str, name: str, world: World) -> bool:
        """Add an element beside those that disks are made from here; False when disks are no data or tell nothing of the machine."""
        model = self._model(machine, world)
        if model is None:
            return False
        disk, attachment, other = model
        each = disk.instance.frame.element
        place = _element_place(each) if each is not None else None
        if each is None or place is None or not place.editable or not isinstance(each.data, dict):
            return False
        fields = {n: _field(disk.instance.body.get(n), each) for n in ("disk_size_gb", "storage_account_type")}
        fields["lun"] = _field(attachment.instance.body.get("lun"), each)
        if fields["disk_size_gb"] is None or fields["lun"] is None:
            return False
        element = {
            k: v.plain()
            for k, v in each.data.items()
            if v.via and v.via[-1].address == place.address and v.via[-1].path.startswith(place.path)
        }
        element[fields["disk_size_gb"]] = _like(size, element.get(fields["disk_size_gb"]))
        if kind and fields["storage_account_type"]:
            element[fields["storage_account_type"]] = kind
        if kind in _UNCACHED and (caching := _field(attachment.instance.body.get("caching"), each)):
            element[caching] = "None"
        if fields["lun"] in element or fields["lun"] not in each.data or each.data[fields["lun"]].written:
            element[fields["lun"]] = _like(_free_lun([machine], world), element.get(fields["lun"]))
        for field_name, value in element.items():
            if value == _own_name(other) and other is not machine:
                element[field_name] = _own_name(machine)
        return self._put(machine, other, disk, place.path, place.address, element, name, world)

    @staticmethod
    def _put(
        machine: Resource, other: Resource, disk: Resource, path: str, address: str, element: dict[str, object], name: str, world: World
    ) -> bool:
        if (
            machine.instance.scope is not other.instance.scope
            and (done := AttachDisk._through_call(machine, other, path, address, element, name, world)) is not None
        ):
            return done
        if machine is not other and AttachDisk._inside_own(machine, other, path, address, element, name, world):
            return True
        steps = list(parse_path(path))
        own, theirs = _own_name(machine), _own_name(other)
        if machine is not other:
            if theirs in steps[:-1]:
                steps[steps.index(theirs)] = own
            elif machine.instance.scope is not other.instance.scope:
                return False
        holder = tuple(steps[:-1])
        if isinstance(steps[-1], int):
            if "name" in element:
                element["name"] = _free_name(name, own, [str(element["name"])], world)
            world.writer.add(e.AppendItem(address, show_path(holder), literal(element)))
            key = str(element.get("name", ""))
        else:
            taken = [str(d.instance.index) for d in world.inventory.siblings(disk)] + [str(steps[-1])]
            plain = str(steps[-1])
            key = _free_name(
                name,
                own,
                [t.removeprefix(f"{own}-") for t in taken if machine is other or t.startswith(own)],
                world,
                prefix=own if plain.startswith(theirs) else "",
            )
            held = any(theirs == s for s in parse_path(path)[:-1])
            if machine is not other and held and not world.inventory.disks_of(machine):
                world.writer.add(e.PutKey(address, show_path(holder[:-1]), str(holder[-1]), literal({key: element})))
            else:
                world.writer.add(e.PutKey(address, show_path(holder), key, literal(element)))
        world.touch([f"{DISK}*", f"{ATTACHMENT}*"])
        return True

    @staticmethod
    def _inside_own(
        machine: Resource, other: Resource, path: str, address: str, element: dict[str, object], name: str, world: World
    ) -> bool:
        """In the machine's own element, where the other machine's disks are a list or map inside its element."""
        (mine, _), (theirs, _) = element_of(machine), element_of(other)
        own, model = (home_of(v) if v is not None else None for v in (mine, theirs))
        steps = parse_path(path)
        if mine is None or own is None or model is None or not own.editable or model.address != address:
            return False
        if steps[:-2] != parse_path(model.path) or not isinstance(mine.data, dict):
            return False
        holder, held = str(steps[-2]), mine.data.get(str(steps[-2]))
        inside = f"{own.path}.{holder}" if own.path else holder
        written = held is not None and bool(held.via) and held.via[-1].address == own.address and held.via[-1].path == inside
        siblings = held.data if held is not None and isinstance(held.data, list) else []
        taken = [str(v.data["name"].data) for v in siblings if isinstance(v.data, dict) and "name" in v.data]
        if "name" in element:
            element["name"] = _free_name(name, "", taken, world)
        if isinstance(steps[-1], int):
            edit: e.Edit = e.AppendItem(own.address, inside, literal(element))
            whole: object = [element]
        else:
            key = _free_name(name, "", list(held.data) if held is not None and isinstance(held.data, dict) else [], world)
            edit, whole = e.PutKey(own.address, inside, key, literal(element)), {key: element}
        world.writer.add(edit if written else e.PutKey(own.address, own.path, holder, literal(whole)))
        world.touch([f"{DISK}*", f"{ATTACHMENT}*"])
        return True

    @staticmethod
    def _through_call(
        machine: Resource, other: Resource, path: str, address: str, element: dict[str, object], name: str, world: World
    ) -> bool | None:
        """The argument of the machine's own module call, where the other's disks are an argument of its call. None: they are not."""
        variable = str(parse_path(path)[0])
        scope = machine.instance.scope.outermost
        if not address.startswith("module.") or len(parse_path(path)) != 2:
            return None
        call = scope.module.call
        if (
            call is None
            or scope.parent is None
            or f"variable.{variable}" not in scope.module.index
            or address.split(".")[1] == call.labels[0]
        ):
            return None
        below = [m for m in world.inventory.of_types(*MACHINES) if m.address.startswith(scope.prefix)]
        if any(m not in world.last for m in below):
            return None
        edit = e.SetAttribute(f"module.{call.labels[0]}", variable, literal({name or "data": element}))
        if variable in call.attributes:
            return None
        world.writer.add(edit)
        world.touch([f"{DISK}*", f"{ATTACHMENT}*"])
        return True

    @staticmethod
    def _model(machine: Resource, world: World) -> tuple[Resource, Resource, Resource] | None:
        """A disk made from data, its attachment, and its machine: of this machine, else of one that is written the same way."""
        candidates = [machine, *(m for m in world.inventory.of_types(*MACHINES) if m is not machine)]
        for other in candidates:
            for attachment in world.inventory.referred_by(other, ATTACHMENT):
                for disk in world.inventory.refers_to(attachment, DISK):
                    keyed = isinstance(disk.instance.index, str) and disk.instance.frame.element is not None
                    reaches = (
                        other is machine
                        or attachment.instance.scope is machine.instance.scope
                        or attachment.block == _block_of(machine, attachment)
                    )
                    mentions = _tells_machine(attachment, other) or attachment.instance.scope is not machine.instance.scope
                    if (
                        keyed
                        and other is not machine
                        and attachment.instance.scope is machine.instance.scope
                        and other.block != machine.block
                    ):
                        continue
                    if keyed and reaches and (other is machine or mentions):
                        return disk, attachment, other
        return None

    # --- disks as resources ----------------------------------------------------------------------------------------------

    def _as_resources(self, group: list[Resource], size: int, kind: str, name: str, world: World) -> None:
        siblings = world.inventory.siblings(group[0])
        if group[0].instance.scope.module.path:
            self._in_module(group, size, kind, name, world)
            return
        if len(group) > 1 and len(group) == len(siblings):
            self._for_all(group, size, kind, name, world)
            return
        for machine in group:
            own = machine.label if machine.instance.index is None else f"{machine.label}_{machine.instance.index}"
            self._pair(machine, machine.address, "", own, f"{machine.azure_name or own}-", size, kind, name, [machine], world)

    def _for_all(self, group: list[Resource], size: int, kind: str, name: str, world: World) -> None:
        """One block for every instance of a counted or keyed machine."""
        block = group[0].block_address
        if isinstance(group[0].instance.index, int):
            repeat, one = f"  count = length({block})\n\n", f"{block}[count.index]"
        else:
            repeat, one = f"  for_each = {block}\n\n", f"{block}[each.key]"
        self._pair(group[0], one, repeat, group[0].label, f"${{{one}.name}}-", size, kind, name, group, world)

    def _pair(
        self,
        machine: Resource,
        one: str,
        repeat: str,
        label: str,
        prefix: str,
        size: int,
        kind: str,
        name: str,
        group: list[Resource],
        world: World,
    ) -> None:
        whole = "-" in name and not repeat
        label = _free_label(name.removeprefix("disk-") if whole else f"{label}_{name or 'data'}", world)
        own_name = literal(name) if whole else f'"{prefix}{label.rsplit("_", 1)[-1]}"'
        module = machine.instance.scope.module.prefix
        local = one.removeprefix(module)
        disk = self._disk(machine, own_name, f"{local}.location", f"{local}.resource_group_name", size, kind, world)
        if "zone" in machine.block.attributes:
            disk["zone"] = f"{local}.zone"
        tags = tags_source(machine)
        if tags:
            disk["tags"] = tags
        key = "" if not repeat else "[count.index]" if "count" in repeat else "[each.key]"
        attachment = _attachment(f"{DISK}.{label}{key}.id", f"{local}.id", _free_lun(group, world), kind)
        for kind_, arguments in ((DISK, disk), (ATTACHMENT, attachment)):
            add_resource(world, kind_, label, arguments, file_of(machine), repeat, module=module)

    def _in_module(self, group: list[Resource], size: int, kind: str, name: str, world: World) -> None:
        for machine in group:
            machine_id = reference(world, machine)
            if machine_id is not None:
                self._beside_module(machine, machine_id, size, kind, name, world)
                continue
            others = [m for m in world.inventory.siblings(machine) if m not in group]
            if others:
                raise Unsettled(world.writer.shared(machine, "a data disk", others))
            self._pair(
                machine,
                machine.block_address,
                "",
                machine.label,
                "${" + machine.block_address.removeprefix(machine.instance.scope.module.prefix) + ".name}-",
                size,
                kind,
                name,
                group,
                world,
            )

    def _beside_module(self, machine: Resource, machine_id: str, size: int, kind: str, name: str, world: World) -> None:
        """In the root module, with the machine's id from an output."""
        label = _free_label(re.sub(r"\W", "_", f"{machine.azure_name or machine.label}_{name or 'data'}"), world)
        group = next((r for r in world.inventory.refers_to(machine, "azurerm_resource_group")), None)
        group_name = reference(world, group, "name") if group is not None else None
        own_name = literal(f"disk-{machine.azure_name}-{name or 'data'}")
        group_name = group_name or literal(str(machine.value("resource_group_name") or ""))
        disk = self._disk(machine, own_name, literal(machine.location), group_name, size, kind, world)
        zone = machine.value("zone")
        if zone:
            disk["zone"] = literal(str(zone))
        add_resource(world, DISK, label, disk)
        add_resource(world, ATTACHMENT, label, _attachment(f"{DISK}.{label}.id", machine_id, _free_lun([machine], world), kind))

    def _disk(self, machine: Resource, name: str, location: str, group: str, size: int, kind: str, world: World) -> dict[str, str]:
        """The arguments of an empty disk, as source; `kind` empty: what the machine has already."""
        return {
            "name": name,
            "location": location,
            "resource_group_name": group,
            "storage_account_type": literal(kind or self._usual(machine, world)),
            "create_option": '"Empty"',
            "disk_size_gb": str(size),
        }

    @staticmethod
    def _usual(machine: Resource, world: World) -> str:
        """The kind of disk this machine has already, else standard SSD."""
        held = [d.value("storage_account_type") for d in world.inventory.disks_of(machine)]
        return str(held[-1]) if held and isinstance(held[-1], str) else "StandardSSD_LRS"


def _named_disk(wish: Wish, world: World) -> bool:
    """Whether a disk that is there is to be attached, by its name alone: `attach db-wal to web-1`."""
    another = r"\b(?:an?|another|new|extra|second|third)\s+(?:[\w.]+\s+){0,6}?(?:disks?|drives?|volumes?)\b"
    if not wish.has(r"\battach(?:ed)?\b.*\bto\b") or wish.amounts or wish.has(rf"\btags?\b|\bnot\b|n't\b|\bno longer\b|{another}"):
        return False
    return any(r.type == DISK and s >= 3 for m in world.selector.names.mentions(wish.text) for s, r in m.named)


def _how_many(text: str) -> int:
    match = re.search(
        r"\b(two|three|four|[2-9])\s+(?:(?:more|new|extra|additional|\d+(?:\.\d+)?|gb|gib|tb|gigs?|premium|standard|ssd|hdd|"
        r"data)\s+){0,6}(?:disks|drives|volumes)\b",
        text,
        re.IGNORECASE,
    )
    return {"two": 2, "three": 3, "four": 4}.get(match[1].lower(), 0) or int(match[1]) if match else 1


def _attachment(disk: str, machine: str, lun: int, kind: str = "") -> dict[str, str]:
    """`kind` is the disk's storage type, empty for not known: Premium SSD v2 and Ultra Disks have no host cache.

    Source: https://learn.microsoft.com/azure/virtual-machines/disks-types#premium-ssd-v2
    """
    caching = "None" if kind in _UNCACHED else "ReadWrite"
    return {"managed_disk_id": disk, "virtual_machine_id": machine, "lun": str(lun), "caching": literal(caching)}


def _free_lun(machines: list[Resource], world: World) -> int:
    """The lowest unit number that is free on all of them, also after what this request has attached so far."""
    used = _used_luns(machines, world)
    free = next((n for n in range(64) if n not in used), None)
    if free is None:
        raise Unsettled(Refusal(f"No unit number (LUN) is left on {listed(machines)}."))
    for machine in machines:
        world.luns.setdefault(machine.address, set()).add(free)
    return free


def _used_luns(machines: list[Resource], world: World) -> set[object]:
    used = {a.value("lun") for m in machines for a in world.inventory.referred_by(m, ATTACHMENT)}
    return used | {n for m in machines for n in world.luns.get(m.address, ())}


def _free_label(label: str, world: World) -> str:
    taken = {r.label for r in world.inventory.of_types(DISK, ATTACHMENT)} | {
        edit.address.rsplit(".", 1)[-1] for edit in world.writer.edits if isinstance(edit, e.AddTopLevel)
    }
    candidate, number = re.sub(r"\W", "_", label), 2
    while candidate in taken:
        candidate = f"{re.sub(r'[^0-9A-Za-z_]', '_', label)}{number}"
        number += 1
    return candidate


def _free_name(name: str, own: str, taken: list[str], world: World, prefix: str = "") -> str:
    taken = [*taken, *(x.key for x in world.writer.edits if isinstance(x, e.PutKey))]
    base = name or "data"
    candidate, number = base, 2
    while candidate in taken or f"{prefix}-{candidate}" in taken:
        candidate = f"{base}{number}"
        number += 1
    return f"{prefix}-{candidate}" if prefix else candidate


def _own_name(machine: Resource) -> str:
    keys = [k for k in machine.keys if isinstance(k, str)]
    return keys[0] if keys else machine.label


def _field(value: Value | None, each: Value) -> str | None:
    """The field of the element an argument takes its value from."""
    if value is None or not isinstance(each.data, dict):
        return None
    for name, held in each.data.items():
        if held.via and value.via and held.via[-1].key == value.via[-1].key:
            return str(name)
    return None


def _element_place(each: Value) -> Place | None:
    """Where the element is written, through merge and for that only add to it."""
    place = home_of(each)
    if place is not None:
        return place
    for part in each.parts:
        if (found := _element_place(part)) is not None:
            return found
    return None


def _like(number: int, present: object) -> object:
    return str(number) if isinstance(present, str) else number


def _tells_machine(attachment: Resource, machine: Resource) -> bool:
    element = attachment.instance.frame.element
    fields = element.data.values() if element is not None and isinstance(element.data, dict) else ()
    return any(v.data == _own_name(machine) for v in fields)


def _block_of(machine: Resource, attachment: Resource) -> object:
    return attachment.block if machine.instance.scope.module.directory == attachment.instance.scope.module.directory else None
