"""Remove resources, with what cannot live without them; what merely belongs to them stays unless it is asked for too."""

from __future__ import annotations

import re
from dataclasses import replace

from iac_agent.errors import HclError
from iac_agent.hcl import edits as e
from iac_agent.hcl.address import parse_path
from iac_agent.hcl.paths import source_at
from iac_agent.planner import inventory as inv
from iac_agent.planner.inventory import Resource
from iac_agent.planner.lexicon import ALL, KIND_PATTERN, NUMBERS, kind_of, verb_pattern
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World, listed
from iac_agent.planner.writing.removal import WITH_DISKS, element_home, lost_with, remove
from iac_agent.planner.writing.switches import switch

DEPENDENT = frozenset(
    {
        inv.ATTACHMENT,
        "azurerm_virtual_machine_extension",
        "azurerm_network_interface_security_group_association",
        "azurerm_network_interface_backend_address_pool_association",
        "azurerm_subnet_network_security_group_association",
        "azurerm_subnet_nat_gateway_association",
        "azurerm_subnet_route_table_association",
        "azurerm_monitor_diagnostic_setting",
        "azurerm_dev_test_global_vm_shutdown_schedule",
        "azurerm_network_security_rule",
        "azurerm_lb_probe",
        "azurerm_lb_rule",
        "azurerm_lb_nat_rule",
        "azurerm_lb_backend_address_pool",
        "azurerm_storage_container",
        "azurerm_storage_blob",
        "azurerm_storage_management_policy",
        "azurerm_role_assignment",
        "azurerm_monitor_metric_alert",
        "azurerm_key_vault_secret",
        "azurerm_nat_gateway_public_ip_association",
    }
)
_WITH = re.compile(
    r"(?:,|\b(?:and|with|together with|along with|including|incl\.?|plus|as well as))\s+(?:all )?(?:its|their|the|his|her|"
    r"of its)?\s*(?P<what>(?:own )?(?:everything|all|nics?|network interfaces?|interfaces?|network cards?|(?:data )?disks?|"
    r"probes?|"
    r"public ips?(?: address(?:es)?)?|ips?|attachments?)\b.*)$",
    re.IGNORECASE,
)
_STAYING = re.compile(
    r"[,;]?\s*(?:but|and)?\s*(?:(?:its|their|the)\s+(?:[\w-]+\s+){0,3}?|[\w-]+\s+)(?:can |may |should |must )?(?:stay|"
    r"remain|survive)s?\b.*$",
    re.IGNORECASE,
)
_AWAY = r"\b(?:throw|toss|chuck|take|tear|kick|get)\b.*\b(?:away|out|down|rid|off)\b|\bcan go\b|\bgoes\b|\bgo away\b"
_EVERYTHING = r"\b(?:everything|all)\b(?:\s+(?:it|they|that|she|he)|\s*$)"
_KEEP = re.compile(
    r"[,;]?\s*(?:but|and)?\s*\b(?:keep|leave|without deleting|preserve|not the|save its|hold on to|hang on to|retain|spare its|"
    r"don'?t (?:delete|touch|lose|remove))\b(?P<rest>.*)$",
    re.IGNORECASE,
)
_FRAME = re.compile(
    r"\bfor (?:good|ever)\b|\bcompletely\b|\bentirely\b|\b(?:throw|toss|take|tear)\b|\b(?:away|out|off|can go|nobody uses)\b"
)
_VERB = verb_pattern("remove")
_FROM = re.compile(r"^(?P<what>.+?)\s+(?P<by>from|of|off|out of|on)\s+(?P<owner>.+)$", re.IGNORECASE)
_HOME = re.compile(
    r"^(?:the |our |this )?(?:terraform|code|configuration|config|repo(?:sitory)?|azure|root module|stack|estate|plan)\b", re.IGNORECASE
)
_SOME = re.compile(
    r"(?:just |only |any )?(?:one|any|some|all|both|half|each|two|three|\d+|the (?:first|second|third|last)(?: \w+)?)", re.IGNORECASE
)
_PARTS = frozenset({inv.DISK, inv.ATTACHMENT, inv.NIC, inv.PUBLIC_IP, "azurerm_virtual_machine_extension"})
_OF_NO_RESOURCE = re.compile(
    r"\b(?:outputs?|variables?|locals?|providers?)\s+[\w-]+$|\b(?:os|root|system|boot)[\s-]*disks?\b", re.IGNORECASE
)
_KEEPING = "but keep its disks"
_OS_DISK = (
    "azurerm deletes the OS disk with its machine. To keep it, write `virtual_machine { delete_os_disk_on_deletion = false }` into the "
    "features of the provider and apply that first; or snapshot the disk."
)
_OTHER_WAY = re.compile(
    r"\binstead\b|\b(?:from|in|out of) (?:terraform|state|the (?:state|code))\b.*\bkeep\b|\bkeep\b.*\bin azure\b", re.IGNORECASE
)


def _require_whole(text: str, world: World) -> None:
    """Raise Unsettled unless it is a resource that should go: not a part of one (`the zone of app`), not its place in another (`worker 3
    out of the load balancer`), not its place in Terraform.
    """
    said = _VERB.sub(" ", re.sub(r"\b(?:get rid of|take|throw|kick|toss)\b", " ", text, flags=re.IGNORECASE)).strip()
    if _OF_NO_RESOURCE.search(said):
        raise Unsettled(Refusal(f"I remove whole resources; {said!r} asks for something else. Edit that by hand, or word it differently."))
    match = _FROM.match(said)
    if match is None or _HOME.match(match["owner"]) or _SOME.fullmatch(match["what"]):
        return
    kinds = [k for m in KIND_PATTERN.finditer(match["what"]) for k in kind_of(m)]
    named = [r for m in world.selector.names.mentions(match["what"]) for _, r in m.named]
    owner = [r for m in world.selector.names.mentions(match["owner"]) for _, r in m.named]
    if not owner and not KIND_PATTERN.search(match["owner"]):
        return
    if re.search(r"\b(?:rules?|probes?)\b", match["what"], re.IGNORECASE):
        return
    if not kinds and not named:
        raise Unsettled(Refusal(f"{match['what']!r} is no resource of its own: I do not remove parts of one. Edit that by hand."))
    if named and all(_is_part_of(r, match["owner"]) for r in named):
        return
    types = set(kinds) or {r.type for r in named}
    whole = not types & _PARTS or (not kinds and bool(types & set(inv.MACHINES)))
    if whole and match["by"].lower() != "on":
        raise Unsettled(
            Refusal(
                f"Taking {match['what']!r} out of {match['owner']!r} is not removing it. Name the association that should go, by its "
                "address."
            )
        )


def _is_part_of(resource: Resource, owner: str) -> bool:
    """Whether what a resource is taken out of is only where it lives: `app02 from prod`."""
    word = re.sub(r"^(?:the |our )|\s+(?:environment|env|stack|module)$", "", owner.strip(), flags=re.IGNORECASE).lower()
    return word in resource.instance.scope.module.path or word in {v.lower() for v in resource.tags.values()}


class Remove:
    id = "remove"
    title = "remove resources, keeping or taking along what belongs to them"
    examples: tuple[str, ...] = ("delete vm-web but keep its disk", "remove vm-web together with its nic", "throw away the storage account")

    def claims(self, wish: Wish, world: World) -> bool:
        if wish.has(r"\btags?\b|\b(?:price|cap|bid)\b|\b(?:sizes?|steps?|notch\w*) down\b"):
            return False
        return (
            _VERB.search(wish.text) is not None
            or wish.has(_AWAY)
            or wish.has(r"\bgone\b|\bobsolete\b|\bdo(?:es)?(?:n'?t| not) need\b|\bnot needed\b")
        )

    def plan(self, wish: Wish, world: World) -> None:
        wish = _decided(wish, world)
        keep = _KEEP.search(wish.text)
        self._require_removal(wish, keep, world)
        text = _STAYING.sub("", wish.text[: keep.start()] if keep else wish.text)
        extra = _WITH.search(text)
        text = _FRAME.sub(" ", _VERB.sub(" ", f"{text[: extra.start()]} " if extra else text))
        targets = self._targets(text, wish, world)
        going = self._going(targets, extra["what"] if extra else "", bool(keep), world)
        if not wish.has(r"\b(?:nics?|interfaces?)\b[^,;]*\bstay|\b(?:keep|leave)\b[^,;]*\b(?:nics?|interfaces?)\b"):
            going += [r for r in self._twins(going, world) if r not in going]
        if not keep and not extra:
            self._require_disks_decided(targets, going, world)
        self._require_free(going, world)
        try:
            remove(world, going)
        except Unsettled as settled:
            if keep and isinstance(settled.answer, Question) and WITH_DISKS in settled.answer.candidates:
                refusal = Refusal(f"{listed(targets)} is made together with its disks; I cannot take it out and keep them.")
                raise Unsettled(refusal) from None
            raise
        self._require_nothing_else_lost(going, world)
        world.touch(going)
        world.say(f"Remove {listed(going)}.")
        self._note(targets, going, world)

    @staticmethod
    def _require_removal(wish: Wish, keep: re.Match[str] | None, world: World) -> None:
        """Raise Unsettled unless whole resources are to go, and what should be kept can be."""
        if _OTHER_WAY.search(wish.text):
            raise Unsettled(Refusal(f"I remove resources from Azure and the configuration; {wish.text!r} asks for something else."))
        _require_whole(wish.text[: keep.start()] if keep else wish.text, world)
        if keep and re.search(r"\b(?:os|root|system|boot)[\s-]*disks?\b", keep["rest"], re.IGNORECASE):
            raise Unsettled(Refusal(_OS_DISK))

    def _targets(self, text: str, wish: Wish, world: World) -> list[Resource]:
        kinds = self._kinds(text, wish, world)
        targets = list(world.choose(wish, kinds, text, nothing="There is nothing of that kind here."))
        telling = [m for m in world.selector.names.mentions(text) if set(world.selector.meant(m, kinds)) & set(targets)]
        if not world.context.answer and (strange := world.selector.strange(text, targets, telling)):
            raise Unsettled(strange)
        self._require_all_meant(targets, text, world)
        if not world.context.answer:
            self._require_number(targets, text)
        return targets

    @staticmethod
    def _note(targets: list[Resource], going: list[Resource], world: World) -> None:
        """What to know of Azure before this is applied."""
        addresses = [r for r in going if r.type == inv.PUBLIC_IP and world.inventory.referred_by(r, inv.NIC)]
        if addresses and not any(r.type == inv.NIC for r in going):
            world.notes.append(
                "Azure deletes an address only once its interface has let go of it, and Terraform deletes first: take it off the interface "
                "(az network nic ip-config update --remove publicIPAddress) before the apply."
            )
        kept = [d for t in targets for d in world.inventory.disks_of(t) if d not in going]
        if kept:
            world.notes.append(f"The data disks stay: {listed(kept)}.")
        if any(t.type in inv.MACHINES for t in going):
            world.notes.append(
                "azurerm deletes the OS disk with its machine unless features.virtual_machine.delete_os_disk_on_deletion is false."
            )

    @staticmethod
    def _require_all_meant(targets: list[Resource], text: str, world: World) -> None:
        """Raise Unsettled when a bare name in the singular stands for several: `remove worker`, of which there are three."""
        mentions = world.selector.names.mentions(text)
        plural = any(m.plural for m in mentions) or ALL.search(text) or any(m["plural"] for m in KIND_PATTERN.finditer(text))
        if len(targets) > 1 and len({t.block for t in targets}) == 1 and len(mentions) == 1 and not (plural or world.context.answer):
            listed_ones = {t.address: t.describe() for t in targets}
            raise Unsettled(Question(f"There are {len(targets)} of {targets[0].label}. Which should go?", {**listed_ones, "all": ""}))

    @staticmethod
    def _require_number(targets: list[Resource], text: str) -> None:
        """Raise Unsettled when a number is said and another is meant: `remove 2 workers`, of which there are three."""
        said = re.search(r"(?<![\w-])(\d{1,2}|one|two|three|four|five|six)\s+(?:of (?:the )?)?(?=[a-z])", text, re.IGNORECASE)
        number = int(said[1]) if said and said[1].isdigit() else NUMBERS[said[1].lower()] if said else len(targets)
        if number != len(targets):
            raise Unsettled(Question(f"{number} of these {len(targets)}: which?", {t.address: t.describe() for t in targets}))

    @staticmethod
    def _require_disks_decided(targets: list[Resource], going: list[Resource], world: World) -> None:
        """Raise Unsettled when data disks are made from the very data that makes a machine: they go with it, or that stays."""
        homes = {m: element_home(m) for m in targets if m.type in inv.MACHINES and isinstance(m.instance.index, str)}
        staying = [d for m in homes for d in world.inventory.disks_of(m) if d not in going]
        if not staying or any(h is None for h in homes.values()):
            return
        lost = lost_with(world, [h for h in homes.values() if h is not None])
        bound = [d for d in staying if d in lost]
        if bound:
            raise Unsettled(
                Question(
                    f"{listed(bound)} is made from the same data. Does it go too?", {WITH_DISKS: "deleted", _KEEPING: "the data stays"}
                )
            )

    @staticmethod
    def _require_nothing_else_lost(going: list[Resource], world: World) -> None:
        """Raise Unsettled when something that nobody named would be lost too, being made from the same data."""
        if all(r.instance.index is None for r in going):
            return
        later = world.trial()
        try:
            later.advance()
        except HclError:
            return
        left, named = later.inventory.by_address, {*world.touches, *(r.address for r in going)}
        lost = [r for r in world.inventory.resources if r.address not in left and r.address not in named and r.type not in DEPENDENT]
        if lost:
            raise Unsettled(Question(f"That would take {listed(lost)} along, made from the same data. Say that it goes too.", {}))

    @staticmethod
    def _kinds(text: str, wish: Wish, world: World) -> tuple[str, ...]:
        """The kind the words name first; machines when a bare name fits one; else everything."""
        if re.search(r"\brule\b", text, re.IGNORECASE) and re.search(r"\b(?:balancer|lb)\b", text, re.IGNORECASE):
            return ("azurerm_lb_rule",)
        if re.search(r"\brules?\b", text, re.IGNORECASE) and not re.search(r"azurerm_|\bnsgs?\b.*\bwith\b", text):
            raise Unsettled(Question("Which rule should go? Name its port, as in: close port 22 on nsg-web.", {}))
        said = [kind_of(m) for m in KIND_PATTERN.finditer(text)]
        present = {r.type for r in world.inventory.resources}
        fitting = [k for k in said if set(k) & present]
        if fitting:
            machines_first = [k for k in fitting if k not in (inv.MACHINES,)] or fitting
            return machines_first[0]
        mentions = world.selector.names.mentions(text)
        named = {r.type for m in mentions for _, r in m.named}
        if any(m.plural and any(r.type in inv.MACHINES and s >= 2 for s, r in m.named) for m in mentions):
            return inv.MACHINES
        strong = {r.type for m in mentions for s, r in m.named if s >= 4}
        if strong and not strong & set(inv.MACHINES):
            return tuple(sorted(strong))
        machines = tuple(t for t in (*inv.MACHINES, *inv.SCALE_SETS) if t in named)
        if not machines and world.last and not mentions:
            return tuple({r.type for r in world.last})
        if not mentions and not world.last:
            raise Unsettled(Question("What should be removed? Name it.", {}))
        return machines or tuple(sorted(present))

    def _going(self, targets: list[Resource], extra: str, keep: bool, world: World) -> list[Resource]:
        going = list(targets)
        everything = re.search(_EVERYTHING, extra, re.IGNORECASE)
        for target in targets:
            nics = world.inventory.refers_to(target, inv.NIC)
            if everything or re.search(r"\b(?:nics?|interfaces?|network cards?)\b", extra, re.IGNORECASE):
                going += nics
            if re.search(r"\bprobe\b", extra, re.IGNORECASE):
                going += world.inventory.refers_to(target, "azurerm_lb_probe")
            if everything or re.search(r"\bip(?:s|\b)", extra, re.IGNORECASE):
                going += [p for n in nics for p in world.inventory.refers_to(n, inv.PUBLIC_IP)]
            if (everything or re.search(r"\bdisks?\b", extra, re.IGNORECASE)) and not keep:
                going += world.inventory.disks_of(target)
        pending = list(going)
        while pending:
            resource = pending.pop()
            for dependent in world.inventory.referred_by(resource, *DEPENDENT):
                if dependent not in going and self._cannot_stay(dependent, resource, world):
                    going.append(dependent)
                    pending.append(dependent)
        return [r for r in world.inventory.resources if r in going]

    @staticmethod
    def _twins(going: list[Resource], world: World) -> list[Resource]:
        """The interfaces of machines that go, with their addresses, where they are made from the machine's own element or module call."""
        found: list[Resource] = []
        for machine in (r for r in going if r.type in inv.MACHINES and r.instance.scope.module.path and r.instance.index is None):
            scope = machine.instance.scope
            found += [r for r in world.inventory.resources if r.instance.scope is scope and r.type in (inv.NIC, inv.PUBLIC_IP, *DEPENDENT)]
        for machine in (r for r in going if r.type in inv.MACHINES and r.instance.frame.element is not None):
            nics = world.inventory.refers_to(machine, inv.NIC)
            around = [*nics, *(p for n in nics for p in world.inventory.refers_to(n, inv.PUBLIC_IP))]
            home = element_home(machine)
            found += [r for r in around if home is not None and (own := element_home(r)) is not None and own.key == home.key]
        return found

    @staticmethod
    def _cannot_stay(dependent: Resource, resource: Resource, world: World) -> bool:
        """A load balancer's rule refers to its pool too, but lives by the balancer."""
        return not (resource.type in ("azurerm_lb_backend_address_pool", "azurerm_lb_probe") and dependent.type == "azurerm_lb_rule")

    @staticmethod
    def _require_free(going: list[Resource], world: World) -> None:
        """Raise Unsettled when something that stays needs something that goes. A NIC lets go of a public address."""
        for resource in going:
            users = [u for u in world.inventory.referred_by(resource) if u not in going]
            if resource.type == inv.PUBLIC_IP:
                loose = [u for u in users if u.type == inv.NIC]
                for nic in loose:
                    if "public_ip_address_id" in _config(nic) and not _lets_go_itself(nic):
                        _let_go(nic, resource, going, world)
                        world.touch([nic])
                users = [u for u in users if u not in loose]
            if users:
                raise Unsettled(Refusal(f"{resource.address} is used by {listed(users)}: remove those first, or say that they go too."))


def _decided(wish: Wish, world: World) -> Wish:
    """The wish with what was answered about disks; other answers stay for the rest."""
    answers = [a.strip() for a in world.context.answer.split(";")]
    said = [a for a in answers if a in (WITH_DISKS, _KEEPING)]
    world.context = replace(world.context, answer=";".join(a for a in answers if a not in said))
    return Wish(f"{wish.text} {said[0]}", wish.context) if said else wish


def _lets_go_itself(nic: Resource) -> bool:
    """Whether the interface's expression is null by itself when the address is gone: `one(azurerm_public_ip.this[*].id)`."""
    source = source_at(nic.block, parse_path(inv.NIC_ADDRESS)) or ""
    return re.search(r"\b(?:try|one|lookup|length)\(|\[\*\]", source) is not None


def _let_go(nic: Resource, address: Resource, going: list[Resource], world: World) -> None:
    """Let an interface no longer name a public address that goes."""
    path = inv.NIC_ADDRESS
    if switch(nic, path, False, world.writer):
        return
    named, source = f"{'.'.join(address.block.labels)}.id", source_at(nic.block, parse_path(path)) or ""
    branch = next((n for n in (1, 2) if source_at(nic.block, parse_path(f"{path}.@{n}")) == named), 0)
    if branch and source.startswith(("each.", "count.")) and all(s in going for s in world.inventory.siblings(address)):
        world.writer.add(e.SetAttribute(nic.block_address, f"{path}.@{branch}", "null", replacing=named))
    else:
        world.writer.unset([nic], path)


def _config(nic: Resource) -> dict[str, object]:
    held = nic.instance.value(("ip_configuration",))
    first = held.data[0].data if held is not None and isinstance(held.data, list) and held.data else {}
    return first if isinstance(first, dict) else {}
