"""Ports: open, narrow or close inbound rules of a network security group, in the style that the group's rules are written in.

Source: https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview
"""

from __future__ import annotations

import itertools
import re

from iac_agent.azure.exposure import admin_ports
from iac_agent.hcl import edits as e
from iac_agent.hcl.address import show_path
from iac_agent.hcl.document import Block, literal
from iac_agent.planner import inventory as inv
from iac_agent.planner import lexicon
from iac_agent.planner.inventory import NSG, RULE, Resource
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.rules import (
    Rule,
    block_path,
    dynamic_source,
    element_like,
    element_of,
    is_list,
    list_home,
    read_fields,
    rules_of,
    uses,
    with_name,
    written,
)
from iac_agent.planner.wish import CIDR, Wish
from iac_agent.planner.world import World, listed
from iac_agent.planner.writing.removal import drop, remove
from iac_agent.planner.writing.style import add_resource, file_of
from iac_agent.planner.writing.write import home_of

_SERVICE = re.compile(rf"(?<![\w-])(?:{'|'.join(sorted(map(re.escape, lexicon.SERVICES), key=len, reverse=True))})(?![\w-])", re.IGNORECASE)
_PORT = re.compile(
    r"(?<![\w.:/-])(?:ports?\s+|tcp[\s/:]+|udp[\s/:]+|:)?(?P<port>\d{2,5}(?:-\d{2,5})?)(?![\w./]|-\w|\s*(?:gb|gib|tb|gigs?|"
    r"cents?|cores?|percent|%|minutes?))",
    re.IGNORECASE,
)
_CLOSE = r"\b(?:close|shut|block|deny|forbid|revoke|disallow|remove|drop|no more|stop|kill|delete|dropped|get rid of|disable|lose|ditch)\b"
_NARROW = (
    r"\b(?:restrict|limit|narrow|tighten|lock|confine|only|just from|changed?|update|adjust|replaced?|now comes from|nobody but|"
    r"except from|no one but|instead of)\b"
)
_OPEN = (
    r"\b(?:open|allow|let|permit|expose|unblock|accept|whitelist|allowlist|reach|reachable|takes?|enable|add|needs?|punch|"
    r"make|access|from|poke|serve|listen\w*)\b"
)
_WORLD = re.compile(
    r"\b(?:internet|anywhere|anyone|any ?(?:one|body|source|ip|where)|everyone|everybody|the (?:whole )?world|public(?:ly)?|"
    r"all (?:sources|ips|addresses)|everywhere|outside|0\.0\.0\.0/0|wide open|\*)(?!\w)",
    re.IGNORECASE,
)
_INSIDE = re.compile(
    r"\b(?:vnet|virtual ?network|inside the (?:vnet|network)|internal(?:ly)?|within the (?:vnet|network))\b", re.IGNORECASE
)
_TOPIC = re.compile(r"\b(?:ports?|nsgs?|firewall|inbound|security (?:rule|group)s?|rules?|tcp|udp)\b", re.IGNORECASE)


class Port:
    id = "port"
    title = "open, narrow or close a port of a network security group"
    examples: tuple[str, ...] = ("open port 443 on nsg-web", "restrict ssh on nsg-web to 10.0.0.0/8", "close rdp on nsg-web")

    def claims(self, wish: Wish, world: World) -> bool:
        if wish.has(r"\b(?:memory|ram|cores?|cpus?)\b"):
            return False
        if wish.has(r"\b(?:load balancer|balancer|lb)\b") and wish.has(r"\b(?:vms?|machines?|servers?|nodes?|rule|rules)\b"):
            return False
        if _named_rules(wish, world) and (wish.cidrs or wish.has(_CLOSE)) and not _ports(wish):
            return wish.has(f"{_CLOSE}|{_NARROW}")
        if not (
            _ports(wish)
            and (
                _TOPIC.search(wish.text)
                or _SERVICE.search(wish.text)
                or wish.cidrs
                or wish.has(rf"{_CLOSE}|\b(?:open|allow|expose|unblock|permit)\b")
            )
        ):
            return False
        return wish.has(f"{_CLOSE}|{_NARROW}|{_OPEN}") or bool(wish.cidrs)

    def plan(self, wish: Wish, world: World) -> None:
        wish = _with_prefix(wish, world)
        ports = _ports(wish) or [(r.text("destination_port_range"), "") for r in _named_rules(wish, world)]
        known = any(r.allows(p, k) for g in world.inventory.of_types(NSG) for r in rules_of(g, world) for p, k in ports)
        if wish.has(r"\b(?:open|allow|permit)\b") and not known:
            self._open(wish, world, ports)
        elif (wish.has(_NARROW) and wish.cidrs and not wish.has(r"\b(?:open|allow)\b(?! only)")) or (wish.has(r"\bonly\b") and wish.cidrs):
            self._narrow(wish, world, ports)
        elif wish.has(_CLOSE) and not wish.has(r"\b(?:unblock)\b"):
            self._close(wish, world, ports)
        else:
            self._open(wish, world, ports)

    # --- open --------------------------------------------------------------------------------------------------------

    def _open(self, wish: Wish, world: World, ports: list[tuple[str, str]]) -> None:
        source = self._source(wish, world, ports)
        sources = wish.cidrs if source in wish.cidrs else [source]
        for group in self._groups(wish, world):
            rules = rules_of(group, world)
            for (port, protocol), source in itertools.product(ports, sources):
                held = [
                    r
                    for r in rules
                    if r.allows(port, protocol)
                    and r.text("source_address_prefix") in (source, *(("*", "Internet") if source in ("*", "Internet") else ()))
                ]
                if held:
                    raise Unsettled(Refusal(f"{group.address} lets {port} in from {source} already."))
                self._add(group, rules, port, protocol or "Tcp", source, world)
                world.say(f"Let {source} reach {protocol or 'Tcp'} port {port} through {listed([group])}.")

    @staticmethod
    def _source(wish: Wish, world: World, ports: list[tuple[str, str]]) -> str:
        risky = sorted(admin_ports([p for p, _ in ports]))
        if risky and "0.0.0.0/0" not in wish.cidrs and any(int(c.rsplit("/", 1)[1]) < 8 for c in wish.cidrs):
            raise Unsettled(
                Refusal(f"{wish.cidrs[0]} is a good part of the Internet: port {risky[0]} must not be open to it. Name a smaller network.")
            )
        if wish.cidrs and "0.0.0.0/0" not in wish.cidrs:
            return wish.cidrs[0]
        if _WORLD.search(wish.text) or "0.0.0.0/0" in wish.cidrs:
            if risky:
                raise Unsettled(Refusal(f"Port {risky[0]} must not be open to the Internet. Name a network, as in: from 203.0.113.0/24."))
            return "Internet"
        if _INSIDE.search(wish.text):
            return "VirtualNetwork"
        if all(p in ("80", "443") for p, _ in ports):
            return "Internet"
        from_subnet = re.search(
            r"\bfrom (?:the )?(?P<name>[\w -]+?)(?: subnet| network| tier| machines?| servers?| vms?)?(?: on | to |$|,)",
            wish.text,
            re.IGNORECASE,
        )
        if from_subnet and (prefix := _prefix_of(from_subnet["name"], world)):
            return prefix
        if world.context.answer and (cidr := re.fullmatch(r"[\d.]+/\d+|VirtualNetwork", world.context.answer.strip())):
            return cidr[0]
        raise Unsettled(
            Question(
                f"From where should port {ports[0][0]} be reachable?",
                {"VirtualNetwork": "the virtual network only", "10.0.0.0/8": "a network, in CIDR notation"},
            )
        )

    @staticmethod
    def _groups(wish: Wish, world: World) -> list[Resource]:
        text = _scrubbed(wish)
        text = re.sub(
            r"\bfrom\s+(?:the\s+)?(?:internet|world|\w+ office|office|anywhere|vnet)\b|\boffice\b|\binstead\b",
            " ",
            text,
            flags=re.IGNORECASE,
        )
        answer = (
            world.context.answer
            if world.context.answer and not re.fullmatch(r"[\d.]+/\d+|VirtualNetwork", world.context.answer.strip())
            else ""
        )
        text = re.sub(
            r"\bonly\s+(?:the\s+)?[\w -]{0,30}?\s+may\b|\bfrom\s+(?:the\s+)?[\w-]+\s+(?:sub)?net\b", " ", text, flags=re.IGNORECASE
        )
        purpose = re.search(r"\bfor\s+(?:the\s+|our\s+)?[\w -]+$", text, re.IGNORECASE)
        if purpose and any(world.selector.meant(m, (NSG,)) for m in world.selector.names.mentions(text[: purpose.start()])):
            text = text[: purpose.start()]
        silent = not [m for m in world.selector.names.mentions(text) if world.selector.meant(m, (NSG,))]
        if world.last and silent and not answer:
            before = list(dict.fromkeys(g for r in world.last for g in world.inventory.guards_of(r)))
            if before:
                return before
        others = [
            r
            for m in world.selector.names.mentions(text)
            for s, r in m.named
            if s >= 3 and r.type in (*inv.MACHINES, *inv.SCALE_SETS, inv.SUBNET, inv.NIC)
        ]
        if others and silent and not answer:
            raise Unsettled(Refusal(f"No network security group here protects {listed(dict.fromkeys(others))}; name the group to change."))
        chosen = world.selector.select(text, (NSG,), answer)
        if chosen is None:
            raise Unsettled(Refusal("There is no network security group here."))
        if isinstance(chosen, Question):
            raise Unsettled(chosen)
        world.last = chosen.resources
        return list(chosen.resources)

    def _add(self, group: Resource, rules: list[Rule], port: str, protocol: str, source: str, world: World) -> None:
        taken = {int(r.text("priority")) for r in rules if r.text("priority").isdigit() and r.text("direction").lower() == "inbound"}
        taken |= world.priorities.setdefault(group.address, set())
        name = f"allow-{_called(port)}"
        names = {r.text("name") for r in rules} | world.rule_names
        name = name if name not in names else f"{name}-{re.sub(r'[^0-9a-z]+', '-', source.lower()).strip('-')}"
        priority = next(p for p in range(max((t for t in taken if t < 4000), default=90) + 10, 4097) if p not in taken)
        world.priorities[group.address].add(priority)
        world.rule_names.add(name)
        values = {
            "name": name,
            "priority": priority,
            "direction": "Inbound",
            "access": "Allow",
            "protocol": protocol,
            "source_port_range": "*",
            "destination_port_range": port,
            "source_address_prefix": source,
            "destination_address_prefix": "*",
        }
        dynamic = group.block.dynamic("security_rule")
        separate = [r for r in rules if not r.path]
        if dynamic is not None:
            self._add_element(group, dynamic, values, world)
            world.touch([group])
        elif separate:
            self._add_resource(group, separate, values, world)
        else:
            others = [g for g in world.inventory.siblings(group) if g is not group]
            if others:
                raise Unsettled(world.writer.shared(group, "security_rule", others))
            world.writer.add(e.AddBlock(group.block_address, "security_rule", tuple((k, literal(v)) for k, v in values.items())))
            world.touch([group])

    @staticmethod
    def _add_element(group: Resource, dynamic: Block, values: dict[str, object], world: World) -> None:
        """One more element of what the dynamic block runs over, made like the others."""
        source = dynamic_source(group, dynamic)
        home = list_home(source, group, world)
        if home is None or source is None:
            raise Unsettled(Refusal(f"The rules of {group.address} are computed; I cannot add one where they are written."))
        users = [world.inventory.by_address[a] for a, _ in world.inventory.users.of(home)]
        others = list(dict.fromkeys(u for u in users if u.type == NSG and u is not group and u not in world.last))
        if others:
            raise Unsettled(world.writer.shared(group, "security_rule", others))
        content = next(b for b in dynamic.blocks if b.type == "content")
        iterator = dynamic.attributes.get("iterator")
        fields = read_fields(content, dynamic.document.text(iterator.value) if iterator else dynamic.labels[0])
        siblings = list(source.data.values()) if isinstance(source.data, dict) else list(source.data)
        element = element_like(siblings[-1] if siblings else None, fields, values)
        key = str(values["name"]).removeprefix("allow-")
        if isinstance(source.data, dict):
            like = list(source.data)
            key = str(values["name"]) if any(k.startswith("allow") for k in like) else key
            key = key.replace("-", "_") if any("_" in k for k in like) else key
            while key in source.data:
                key += "-2"
            world.writer.add(e.PutKey(home.address, home.path, key, element))
        else:
            world.writer.add(e.AppendItem(home.address, home.path, element))

    @staticmethod
    def _add_resource(group: Resource, rules: list[Rule], values: dict[str, object], world: World) -> None:
        sibling = rules[-1].owner
        model = sibling.instance.frame.element
        if model is not None and isinstance(sibling.instance.index, str):
            source = sibling.instance.body.get("for_each")
            home = list_home(source, sibling, world)
            fields = read_fields(sibling.block, "each")
            if home is not None and source is not None:
                element = element_like(model, fields, values)
                key = (
                    str(values["name"])
                    if any(str(k).startswith("allow") for k in source.data)
                    else str(values["name"]).removeprefix("allow-")
                )
                if isinstance(source.data, dict) and home.path and not is_list(home):
                    world.writer.add(e.PutKey(home.address, home.path, key, element))
                else:
                    world.writer.add(e.AppendItem(home.address, home.path, with_name(element, key, model, sibling)))
                world.touch([re.sub(r'\["[^"]*"\]$', f'["{key}"]', sibling.address)])
                return
        block = sibling.block
        label = _free_label(re.sub(r"\W", "_", str(values["name"])), sibling, world)
        arguments = {k: literal(v) for k, v in values.items()}
        for name in ("resource_group_name", "network_security_group_name"):
            arguments[name] = block.document.text(block.attributes[name].value)
        module = sibling.instance.scope.module
        others = [s for s in world.inventory.configuration.scopes if s.module.directory == module.directory]
        if len(others) > 1:
            raise Unsettled(
                Question(
                    f"{sibling.block_address} is in a module that is called {len(others)} times: the rule would be added to all of them.",
                    {},
                )
            )
        add_resource(world, RULE, label, arguments, file_of(sibling), module=module.prefix)

    # --- narrow and close ------------------------------------------------------------------------------------------------

    def _narrow(self, wish: Wish, world: World, ports: list[tuple[str, str]]) -> None:
        rules = self._found(wish, world, ports)
        wider = next((r for r in rules if set(r.ports) - {p for p, _ in ports}), None)
        if wider is not None:
            raise Unsettled(
                Question(f"{wider.text('name')} lets {', '.join(wider.ports)} in: should all of these be narrowed? Name them.", {})
            )
        listing = [r for r in rules if len(wish.cidrs) > 1 or r.get("source_address_prefixes") is not None]
        if listing:
            self._list_sources(listing, wish.cidrs, world)
            rules = [r for r in rules if r not in listing]
            if not rules:
                return
        source = wish.cidrs[-1]
        changing = [r for r in rules if r.text("source_address_prefix") != source]
        if not changing:
            raise Unsettled(Refusal(f"{ports[0][0]} is open to {source} only already."))
        for rule in changing:
            path = show_path((*rule.path, "source_address_prefix"))
            self._set_source(rule, path, source, changing, world)
        world.touch(dict.fromkeys(r.owner for r in changing))
        names = ", ".join(dict.fromkeys(r.text("name") for r in changing))
        groups = listed(dict.fromkeys(r.group for r in changing))
        world.say(f"Let only {source} reach {', '.join(p for p, _ in ports)} through {groups} ({names}).")

    @staticmethod
    def _list_sources(rules: list[Rule], sources: list[str], world: World) -> None:
        """Give rules that are written as blocks of their own a list of sources. Raises Unsettled for others."""
        for rule in rules:
            owner, prefix = rule.owner, ".".join(filter(None, [block_path(rule), "source_address_prefix"]))
            if len(world.inventory.siblings(owner)) > 1 or (rule.path and not prefix.startswith("security_rule")):
                raise Unsettled(
                    Question(
                        f"{rule.text('name')} on {rule.group.address} has one source. Which network? Open the port for the others apart.",
                        dict.fromkeys(sources, ""),
                    )
                )
            if rule.get("source_address_prefix") is not None:
                world.writer.add(e.RemoveAttribute(owner.block_address, prefix))
            world.writer.add(e.SetAttribute(owner.block_address, f"{prefix}es", literal(sources), replacing=written(rule, f"{prefix}es")))
        world.touch(dict.fromkeys(r.owner for r in rules))
        world.say(f"Let only {', '.join(sources)} through {listed(dict.fromkeys(r.group for r in rules))} by {rules[0].text('name')}.")

    @staticmethod
    def _set_source(rule: Rule, path: str, source: str, changing: list[Rule], world: World) -> None:
        held = rule.get("source_address_prefix")
        if held is None:
            raise Unsettled(Refusal(f"The sources of {rule.text('name')} on {rule.group.address} are a list; change it by hand."))
        if not rule.path:
            world.writer.set([r.owner for r in changing if not r.path], "source_address_prefix", source)
            return
        same = {r.text("destination_port_range") + r.owner.address for r in changing}
        for place in reversed(held.via):
            if not place.editable or not world.inventory.users.exclusive(place, [r.owner.instance for r in changing], "security_rule"):
                continue
            others = [r for r in rules_of(rule.group, world) if r not in changing and uses(r.get("source_address_prefix"), place)]
            others = [r for r in others if r.text("destination_port_range") + r.owner.address not in same]
            if not others:
                world.writer.write_at(place, source)
                return
        raise Unsettled(Refusal(f"{path} of {rule.group.address} is shared with other rules; I cannot change it alone."))

    def _close(self, wish: Wish, world: World, ports: list[tuple[str, str]]) -> None:
        rules = self._found(wish, world, ports)
        asked = {p for p, _ in ports}
        for rule in [r for r in rules if set(r.ports) - asked]:
            self._drop_ports(rule, asked, world)
        gone = [r for r in rules if not set(r.ports) - asked]
        self._require_seen(gone, world)
        for rule in sorted(gone, key=lambda r: [-s if isinstance(s, int) else 0 for s in r.path], reverse=False):
            self._remove(rule, gone, world)
        world.touch(dict.fromkeys(r.owner for r in rules))
        world.last = tuple(dict.fromkeys(r.group for r in rules))
        world.say(f"Close {', '.join(p for p, _ in ports)} on {listed(dict.fromkeys(r.group for r in rules))}.")

    @staticmethod
    def _require_seen(gone: list[Rule], world: World) -> None:
        """Raise Unsettled where the last rule of a dynamic block would go: with none written, azurerm keeps those that are there."""
        for group in dict.fromkeys(r.group for r in gone if r.path):
            left = [r for r in rules_of(group, world) if r not in gone and r.path]
            if not left and group.block.dynamic("security_rule") is not None:
                raise Unsettled(
                    Refusal(
                        f"That is the last rule of {group.address}. Where a dynamic block makes none, azurerm keeps the rules that are in "
                        "Azure, so nothing would be closed. Narrow it, or keep a rule that denies everything."
                    )
                )

    @staticmethod
    def _drop_ports(rule: Rule, asked: set[str], world: World) -> None:
        """Take some of its ports out of a rule that lets others in too. Raises Unsettled where their list is shared."""
        held = rule.get("destination_port_ranges")
        place = home_of(held) if held is not None else None
        argument = str(rule.path[0]) if rule.path else "destination_port_ranges"
        if held is None or place is None or not place.editable:
            raise Unsettled(Refusal(f"{rule.text('name')} lets {', '.join(rule.ports)} in by one range; I cannot take a part out of it."))
        if not world.inventory.users.exclusive(place, [rule.owner.instance], argument):
            raise Unsettled(Refusal(f"The ports of {rule.text('name')} are shared with other rules; I cannot change them alone."))
        for position in reversed([i for i, v in enumerate(held.data) if str(v.data) in asked]):
            world.writer.add(e.RemoveValue(place.address, f"{place.path}[{position}]"))

    @staticmethod
    def _remove(rule: Rule, rules: list[Rule], world: World) -> None:
        if not rule.path:
            remove(world, [r.owner for r in rules if not r.path])
            return
        inner = rule.value.via[-1] if rule.value.via else None
        dynamic = rule.group.block.dynamic("security_rule")
        static = [b for b in rule.group.block.blocks if b.type == "security_rule"]
        if inner is not None and static and any(b.node.start_byte == inner.offset for b in static):
            if len(world.inventory.siblings(rule.group)) > 1:
                raise Unsettled(
                    world.writer.shared(
                        rule.group, "security_rule", [g for g in world.inventory.siblings(rule.group) if g is not rule.group]
                    )
                )
            path = "security_rule" if len(static) == 1 else show_path(rule.path)
            world.writer.add(e.RemoveBlock(rule.group.block_address, path))
            if len(static) == 1 and dynamic is None:
                world.writer.add(e.SetAttribute(rule.group.block_address, "security_rule", "[]"))
                world.notes.append("The group's rules are computed when none are written; `security_rule = []` says that there are none.")
            return
        place = element_of(rule, dynamic)
        if place is None:
            raise Unsettled(Refusal(f"The rules of {rule.group.address} are computed; I cannot take one out where they are written."))
        drop(world, place)

    def _found(self, wish: Wish, world: World, ports: list[tuple[str, str]]) -> list[Rule]:
        """The rules meant: for these ports, on the groups named, or on the only group that has one."""
        everything = [r for g in world.inventory.of_types(NSG) for r in rules_of(g, world) if any(r.allows(p, k) for p, k in ports)]
        if not everything:
            raise Unsettled(Refusal(f"No rule here lets {', '.join(p for p, _ in ports)} in."))
        groups = list(dict.fromkeys(r.group for r in everything))
        if called := _named_rules(wish, world):
            everything = [r for r in everything if r in called] or everything
            if not any(world.selector.meant(m, (NSG,)) for m in world.selector.names.mentions(wish.text)):
                return everything
        text = re.sub(r"\bonly\s+(?:the\s+)?[\w -]{0,30}?\s+may\b", " ", _scrubbed(wish), flags=re.IGNORECASE)
        everywhere = re.search(r"\b(?:everywhere|all|every|any)\b", wish.text, re.IGNORECASE)
        named = [m for m in world.selector.names.mentions(text) if world.selector.meant(m, (NSG,))]
        if everywhere and not named:
            return everything
        if named or len(groups) > 1:
            narrowed = [g for g in groups if any(g in world.selector.meant(m, (NSG,)) for m in named)]
            if len(narrowed) == 1 or (narrowed and everywhere):
                return [r for r in everything if r.group in narrowed]
            meant = self._groups(wish, world)
            found = [r for r in everything if r.group in meant]
            if not found:
                raise Unsettled(Refusal(f"No rule of {listed(meant)} lets {', '.join(p for p, _ in ports)} in."))
            return found
        return everything


# --- reading -----------------------------------------------------------------------------------------------------------


def _named_rules(wish: Wish, world: World) -> list[Rule]:
    """The rules that a wish names: `the kube api` for kube-api."""
    text = re.sub(r"[\s_-]+", " ", wish.text.lower())
    found = [r for g in world.inventory.of_types(NSG) for r in rules_of(g, world)]
    return [r for r in found if re.search(rf"(?<!\w){re.escape(_plain(r.text('name')))}(?!\w)", text) and len(r.text("name")) > 3]


def _with_prefix(wish: Wish, world: World) -> Wish:
    """The wish with the one subnet that traffic may come from as the network that it is: `only from the web subnet`."""
    said = re.search(r"\bfrom (?:the )?(?P<name>[\w-]+)[ -](?:sub)?net\b", wish.text, re.IGNORECASE)
    if said is None or wish.cidrs:
        return wish
    prefix = _prefix_of(said["name"], world)
    return Wish(wish.text.replace(said[0], f"from {prefix}"), wish.context) if prefix else wish


def _prefix_of(name: str, world: World) -> str:
    """The network of the subnet of this name, in CIDR notation; empty when that is not one."""
    named = [r for m in world.selector.names.mentions(name) for r in world.selector.meant(m, (inv.SUBNET,))]
    prefixes = {str(p) for r in named for p in (r.value("address_prefixes") or ())}  # type: ignore[attr-defined]
    return prefixes.pop() if len(prefixes) == 1 else ""


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.lower())


def _ports(wish: Wish) -> list[tuple[str, str]]:
    """Ports with their protocol (empty: not said), in the order of the text."""
    text = wish.without(CIDR, r"\b[a-z]+-[\w-]*\d\b")
    found: list[tuple[int, str, str]] = []
    for match in _PORT.finditer(text):
        if match["port"].isdigit() and not 1 < int(match["port"]) < 65536:
            continue
        found.append((match.start(), match["port"], _protocol(wish.text)))
    known = {p for _, p, _ in found}
    for match in _SERVICE.finditer(text):
        name = match[0].lower()
        port = lexicon.SERVICES[name]
        if port not in known and not found:
            found.append((match.start(), port, _protocol(wish.text) or ("Udp" if name in lexicon.UDP_SERVICES else "")))
        elif port not in known and not re.search(r"\bports?\b|\(\d", wish.text, re.IGNORECASE) and not _explains(match, text, found):
            found.append((match.start(), port, "Udp" if name in lexicon.UDP_SERVICES else ""))
            known.add(port)
    return [(p, k) for _, p, k in sorted(found)]


def _explains(match: re.Match[str], text: str, found: list[tuple[int, str, str]]) -> bool:
    """Whether a service's name only explains a port number that stands beside it, or says what for: `9100 for prometheus`."""
    if found and re.search(r"\bfor\s+(?:the\s+)?(?:\w+\s+)?$", text[: match.start()], re.IGNORECASE):
        return True
    return any(
        abs(start - match.end()) < 6 or abs(match.start() - start - len(p)) < 6
        for start, p, _ in found
        if p.isdigit() and p not in lexicon.SERVICES.values()
    )


def _protocol(text: str) -> str:
    match = re.search(r"\b(tcp|udp)\b", text, re.IGNORECASE)
    return match[1].capitalize() if match else ""


def _scrubbed(wish: Wish) -> str:
    """The text without ports, services and addresses: what is left names things."""
    return wish.without(_PORT, CIDR, _SERVICE, r"\b(?:tcp|udp|ports?|rules?|traffic|access|reachable|reach)\b")


def _called(port: str) -> str:
    return next((n for n, p in lexicon.SERVICES.items() if p == port and " " not in n), port)


def _free_label(label: str, sibling: Resource, world: World) -> str:
    taken = {r.label for r in world.inventory.of_types(RULE) if r.instance.scope.module is sibling.instance.scope.module}
    short = label.removeprefix("allow_") if not any(t.startswith("allow") for t in taken) else label
    short = f"port_{short}" if short[0].isdigit() else short
    while short in taken:
        short += "_2"
    return short
