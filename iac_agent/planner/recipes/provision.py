"""New machines: one, several in a network, or behind a load balancer; written as this repository writes machines.

Sources: https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs/resources/linux_virtual_machine and its neighbours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from iac_agent.hcl import edits as e
from iac_agent.hcl.document import literal
from iac_agent.planner import inventory as inv
from iac_agent.planner import sizes
from iac_agent.planner.inventory import LINUX, MACHINES, NIC, SUBNET, WINDOWS, Resource
from iac_agent.planner.lexicon import NUMBERS, SERVICES, verb_pattern
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.recipes.scale import group_of
from iac_agent.planner.style import add_resource, block_source, file_of, label_for, name_source, own_source, reference, tags_source
from iac_agent.planner.wish import CIDR, Wish
from iac_agent.planner.world import World

_VERB = verb_pattern("create")
_NOUNS = r"\b(?:vms?|virtual machines?|servers?|machines?|box(?:es)?|hosts?|nodes?|instances?)\b"
_NAMED = re.compile(
    r"\b(?:called|named|name[sd]?:?|with the names?|call (?:it|them))\s+[\"'`]?(?P<names>[A-Za-z][\w-]*(?:(?:\s*,\s*|"
    r"\s+and\s+|\s*&\s*)[A-Za-z][\w]*-?[\w-]*\d[\w-]*)*)",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"(?:vms?|machines?|servers?|boxes|nodes)[:,]?\s+(?P<names>[a-z][\w-]*(?:(?:\s*,\s*|\s+and\s+)[a-z][\w-]*\d[\w-]*)+)", re.IGNORECASE
)
_BEHIND = (
    r"\b(?:behind|load[- ]?balanced|with)\s+(?:a|an|the|our|its own|one)?\s*(?:\w+\s+){0,3}?(?:load ?balancer|lb|"
    r"balancer)\b|\bload[- ]?balanced\b|\bbehind (?:lb|\w+-lb)\b|\b(?:backend )?pool\b"
)
_BARE = re.compile(r"\b(?:vm|machine|server|box|host)\s+(?P<names>[a-z][a-z-]*\d+)\b", re.IGNORECASE)
_KEY = re.compile(r"(ssh-(?:rsa|ed25519) [A-Za-z0-9+/=]+(?: [^\s\"']+)?)")
_IMAGES: tuple[tuple[str, str, tuple[str, str, str]], ...] = (
    (r"ubuntu\s*(?:server\s*)?22(?:\.04)?|jammy", LINUX, ("Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2")),
    (r"ubuntu\s*(?:server\s*)?20(?:\.04)?|focal", LINUX, ("Canonical", "0001-com-ubuntu-server-focal", "20_04-lts-gen2")),
    (r"debian\s*11", LINUX, ("Debian", "debian-11", "11-gen2")),
    (r"debian(?:\s*12)?", LINUX, ("Debian", "debian-12", "12-gen2")),
    (r"(?:rhel|red ?hat)(?:\s*9)?", LINUX, ("RedHat", "RHEL", "9-lvm-gen2")),
    (r"alma(?:linux)?(?:\s*9)?", LINUX, ("almalinux", "almalinux-x86_64", "9-gen2")),
    (r"(?:windows(?:\s*server)?|win)\s*(?:20)?19", WINDOWS, ("MicrosoftWindowsServer", "WindowsServer", "2019-datacenter-gensecond")),
    (r"(?:windows(?:\s*server)?|win)\s*2025", WINDOWS, ("MicrosoftWindowsServer", "WindowsServer", "2025-datacenter-g2")),
    (r"(?:windows(?:\s*server)?|win)\b", WINDOWS, ("MicrosoftWindowsServer", "WindowsServer", "2022-datacenter-azure-edition")),
    (r"ubuntu|linux|noble", LINUX, ("Canonical", "ubuntu-24_04-lts", "server")),
)
_DEFAULT_IMAGE = {kind: image for _, kind, image in _IMAGES}  # the last one of each
_DEFAULT_SIZE = {LINUX: "Standard_B2s", WINDOWS: "Standard_D2s_v5"}


@dataclass
class _Plan:
    """What is to be made, before it is written."""

    os: str
    image: tuple[str, str, str]
    explicit_image: bool
    size: str
    number: int
    names: list[str]
    base: str
    spot: bool
    price: float | None
    sibling: Resource | None
    group: str
    location: str
    subnet: str
    tags: str | None
    file: str

    @property
    def home(self) -> dict[str, str]:
        return {"location": self.location, "resource_group_name": self.group}

    @property
    def tagged(self) -> dict[str, str]:
        return {"tags": self.tags} if self.tags else {}

    def public_address(self, name: str) -> dict[str, str]:
        """The arguments of a public address for the machine or balancer of this name."""
        return {"name": f'"pip-{name}"', **self.home, "allocation_method": '"Static"', "sku": '"Standard"', **self.tagged}


class Provision:
    id = "provision"
    title = "new Linux or Windows machines, alone, in a network, or behind a load balancer"
    examples: tuple[str, ...] = (
        "create a linux vm called api in subnet app",
        "spin up 3 ubuntu servers named worker in snet-app, D2s_v5",
        "two linux vms behind a load balancer on port 443",
    )

    def claims(self, wish: Wish, world: World) -> bool:
        if wish.has(r"\b(?:os|root|system)[ -]?disks?\b"):
            return False
        if wish.cores and not wish.has(
            r"\b(?:create|provision|deploy|launch|spin|set up|build|new|linux|windows|ubuntu|debian|called|named)\b"
        ):
            return False
        behind = wish.has(_BEHIND)
        makes = (
            wish.has(
                r"\b(?:create|provision|deploy|launch|spin(?: |-)up|stand up|set up|setup|build|bring up|roll out|put up|(?:i|we) "
                r"(?:need|want)|new|add|make me|get me|give me)\b"
            )
            or behind
        )
        makes = makes or wish.has(r"^(?:\d+|an?|one|two|three|four|five|six|another)\s+(?:\w+\s+)?(?:linux|ubuntu|windows|debian|rhel)\b")
        noun = wish.has(_NOUNS) or (wish.has(r"\b(?:bastion|jump ?host|jump ?box)\b") and wish.has(r"\b(?:linux|windows|ubuntu)\b"))
        if not (makes and noun) or wish.has(r"\bdisks?\b(?!.*\bvm)|\btags?\b|\bboot diag|\bport\b(?!.*\bbalancer)(?=.*\bnsg)|\brule\b"):
            return False
        if (
            wish.has(r"\b(?:another|one more|more|additional|extra)\b")
            and not wish.has(r"\b(?:new|linux|windows|ubuntu|debian)\b")
            and group_of(wish, world)
        ):
            return False
        if wish.has(r"^(?:we |i )?(?:need|want)\b") and not wish.has(r"\b(?:new|linux|windows|ubuntu|debian|rhel|vms?|servers?)\b"):
            return False
        if wish.has(r"^(?:we |i )?need \d+ \w+s\s*:") and group_of(wish, world):
            return False
        fresh = (
            wish.has(r"\b(?:new|linux|windows|ubuntu|debian|rhel|create|provision|deploy|launch|spin|stand up|set up|build|named|called)\b")
            or behind
        )
        number_only = wish.has(r"\badd\b") and group_of(wish, world) and not wish.has(r"\b(?:linux|windows|ubuntu|new)\b")
        return bool(fresh or wish.size or wish.number) and not number_only

    def plan(self, wish: Wish, world: World) -> None:
        plan = self._read(wish, world)
        balanced = wish.has(_BEHIND)
        pool = self._pool(wish, world) if balanced else None
        labels = self._machines(plan, wish, world)
        if balanced:
            pool = pool or self._balancer(plan, wish, world)
            self._join(plan, labels, pool, world)
        what = "Windows" if plan.os == WINDOWS else "Linux"
        count = f"{plan.number} {what} machines" if plan.number > 1 else f"the {what} machine {plan.names[0] if plan.names else plan.base}"
        world.say(f"Create {count} ({plan.size}) in {plan.subnet.removesuffix('.id')}" + (", behind a load balancer." if balanced else "."))

    # --- what is asked for ---------------------------------------------------------------------------------------------

    def _read(self, wish: Wish, world: World) -> _Plan:
        if wish.has(r"\b(?:sub|v)nets?\s+(?:called|named)\b|\b(?:an?|another|new|second)\s+(?:new\s+)?(?:sub|v)net\b"):
            raise Unsettled(
                Refusal("I put machines into networks that are there; I do not make another subnet. Add it to the configuration first.")
            )
        names = _names(wish)
        number = self._number(wish, names)
        image = next(((kind, i) for p, kind, i in _IMAGES if wish.has(rf"\b(?:{p})\b")), None)
        kind = image[0] if image else LINUX
        sibling = self._sibling(kind, world)
        subnet = self._subnet(wish, world)
        base = names[0] if names else _role(wish, world)
        if not base:
            raise Unsettled(Question("What should the new machine be called? For example: called api.", {}))
        group, location = self._home(wish, sibling, subnet, world)
        source = self._subnet_source(subnet, world)
        explicit = (bool(image) and not wish.has(r"\b(?:linux|windows)\b(?!\s*(?:server\s*)?\d)")) or wish.has(
            r"\bubuntu|debian|rhel|alma|20(?:19|22|25)\b"
        )
        if wish.size and sizes.get(wish.size) is None:
            near = sizes.nearest(wish.size)
            raise Unsettled(Question(f"There is no VM size {wish.size} that I know.", dict.fromkeys(near, "")))
        size = sizes.get(wish.size).name if wish.size else self._usual_size(wish, kind, sibling)  # type: ignore[union-attr]
        return _Plan(
            kind,
            image[1] if image else _DEFAULT_IMAGE[kind],
            explicit,
            size,
            number,
            names,
            base,
            wish.has(r"\bspot\b"),
            wish.price if wish.has(r"\bspot\b") else None,
            sibling,
            group,
            location,
            source,
            tags_source(sibling),
            file_of(sibling),
        )

    @staticmethod
    def _number(wish: Wish, names: list[str]) -> int:
        if len(names) > 1:
            return len(names)
        match = re.search(
            r"\b(\d{1,2}|two|three|four|five|six|seven|eight|nine|ten|couple)\b(?=(?:\s+(?:of\s+)?[\w.-]+){0,6}?\s+(?:vms?|virtual "
            r"machines|servers|machines|boxes|hosts|nodes|instances)\b)",
            wish.without(CIDR),
            re.IGNORECASE,
        )
        if not match:
            return 1
        return int(match[1]) if match[1].isdigit() else NUMBERS[match[1].lower()]

    @staticmethod
    def _usual_size(wish: Wish, kind: str, sibling: Resource | None) -> str:
        if wish.cores:
            memory = re.search(r"(\d+)\s*(?:gib|gb|gigs?)", wish.text, re.IGNORECASE)
            held = sizes.get(str(sibling.value("size"))) if sibling else None
            fitting = sizes.with_cores_and_memory(held, wish.cores, float(memory[1])) if memory else []
            same = sizes.with_cores(held or sizes.all_sizes()["standard_d2s_v5"], wish.cores)
            if fitting or same:
                return fitting[0].name if fitting else same.name  # type: ignore[union-attr]
        return _DEFAULT_SIZE[kind]

    @staticmethod
    def _sibling(kind: str, world: World) -> Resource | None:
        machines = [m for m in world.inventory.of_types(kind) if not m.instance.scope.module.path]
        other = [m for m in world.inventory.of_types(*MACHINES) if not m.instance.scope.module.path]
        return next(iter(machines or other), None)

    @staticmethod
    def _subnet(wish: Wish, world: World) -> Resource | None:
        subnets = world.inventory.of_types(SUBNET)
        if not subnets:
            return None
        like = Provision._subnet_by_example(wish, world)
        if like is not None:
            return like
        around = re.search(
            r"\b(?:in|into|on|to|inside|next to|beside|alongside|same subnet as)\s+(?P<where>.+)$|(?P<named>[\w-]+)\s+(?:sub)?net\b",
            wish.text,
            re.IGNORECASE,
        )
        text = (around["where"] or around["named"]) if around else ""
        text = re.sub(r"\b(?:Standard_\w+|[BDEF]\d+\w*)\b|\bnamed .*|\bcalled .*", " ", text)
        answer = world.context.answer
        named = list(world.selector.names.mentions(answer or text))
        found = [s for m in named for s in world.selector.meant(m, (SUBNET,))]
        found = list(dict.fromkeys(found))
        if len(found) > 1:
            exact = [s for m in named for strength, s in m.named if s.type == SUBNET and strength >= 3]
            found = list(dict.fromkeys(exact)) or found
        if len(found) == 1:
            return found[0]
        usable = [s for s in (found or subnets) if s.azure_name not in ("GatewaySubnet", "AzureBastionSubnet", "AzureFirewallSubnet")]
        if len(usable) == 1:
            return usable[0]
        raise Unsettled(Question("Which subnet should the new machine be in?", {s.address: s.describe() for s in usable}))

    @staticmethod
    def _subnet_by_example(wish: Wish, world: World) -> Resource | None:
        """The subnet of the machine that the new one is like, or of those in the pool it joins."""
        examples: list[Resource] = []
        if re.search(r"\b(?:just like|like|same as|copy of|identical to|next to|beside|alongside)\b", wish.text, re.IGNORECASE):
            mentions = world.selector.names.mentions(wish.text)
            examples = [r for m in mentions for _, r in m.named if r.type in MACHINES]
        elif wish.has(_BEHIND) and not wish.has(r"\bin (?:the )?[\w-]+ ?(?:sub)?net\b|\bsnet-"):
            links = world.inventory.of_types("azurerm_network_interface_backend_address_pool_association")
            examples = [n for x in links for n in world.inventory.refers_to(x, NIC)]
        found = list(dict.fromkeys(s for x in examples for s in world.inventory.subnets_of(x)))
        return found[0] if len(found) == 1 else None

    def _subnet_source(self, subnet: Resource | None, world: World) -> str:
        if subnet is None:
            return f"{SUBNET}.{self._network(world)}.id"
        source = reference(world, subnet)
        if source is None:
            raise Unsettled(Refusal(f"{subnet.address} is in a module that has no output for its id. Add one first."))
        return source

    @staticmethod
    def _home(wish: Wish, sibling: Resource | None, subnet: Resource | None, world: World) -> tuple[str, str]:
        """Resource group name and location, as source."""
        if sibling is not None and (group := own_source(sibling, "resource_group_name")) and (location := own_source(sibling, "location")):
            return group, location
        groups = world.inventory.of_types(inv.GROUP)
        chosen = [g for g in groups if not g.instance.scope.module.path] or groups
        if chosen:
            name, location = reference(world, chosen[0], "name"), reference(world, chosen[0], "location")
            if name and location:
                return name, location
            around = subnet or sibling
            if around is not None:
                return literal(str(chosen[0].azure_name)), literal(chosen[0].location)
        if not wish.region:
            raise Unsettled(Question("In which region? There is no resource group here yet. For example: in westeurope.", {}))
        label = label_for(world, inv.GROUP, "main")
        add_resource(world, inv.GROUP, label, {"name": f'"rg-{_role(wish, world) or label}"', "location": literal(wish.region)})
        return f"{inv.GROUP}.{label}.name", f"{inv.GROUP}.{label}.location"

    @staticmethod
    def _network(world: World) -> str:
        """A network with one subnet, where there is none."""
        groups = [g for g in world.inventory.of_types(inv.GROUP) if not g.instance.scope.module.path]
        group = groups[0].address if groups else f"{inv.GROUP}.main"
        if any(isinstance(x, e.AddTopLevel) and x.address == f"{SUBNET}.main" for x in world.writer.edits):
            return "main"
        network = {
            "name": '"vnet-main"',
            "location": f"{group}.location",
            "resource_group_name": f"{group}.name",
            "address_space": '["10.0.0.0/16"]',
        }
        subnet = {
            "name": '"snet-main"',
            "resource_group_name": f"{group}.name",
            "virtual_network_name": f"{inv.NETWORK}.main.name",
            "address_prefixes": '["10.0.1.0/24"]',
        }
        add_resource(world, inv.NETWORK, "main", network)
        add_resource(world, SUBNET, "main", subnet)
        return "main"

    # --- machines ------------------------------------------------------------------------------------------------------

    def _machines(self, plan: _Plan, wish: Wish, world: World) -> tuple[str, str]:
        """Write interface and machine; returns the interface's label and the index to refer to one."""
        repeat, index, own = "", "", plan.names[0] if plan.names else plan.base
        keyed = len(plan.names) > 1
        if plan.number > 1:
            if keyed:
                repeat, index, own = f"  for_each = toset({literal(plan.names)})\n\n", "[each.key]", "${each.key}"
            else:
                repeat, index, own = f"  count = {plan.number}\n\n", "[count.index]", plan.base + "-${count.index + 1}"
        base = re.sub(r"[-_]?\d+$", "", plan.names[0]) if keyed else plan.base
        label = label_for(world, plan.os, base)
        nics = [n for m in world.inventory.of_types(*MACHINES) for n in world.inventory.refers_to(m, NIC)]
        nic_sibling = next((n for n in nics if not n.instance.scope.module.path), None)
        nic_label = label_for(world, NIC, label)
        address = self._public_address(plan, wish, label, own, repeat, index, world)
        inner = {"name": '"internal"', "subnet_id": plan.subnet, "private_ip_address_allocation": '"Dynamic"'}
        if address:
            inner["public_ip_address_id"] = address
        nic = {"name": name_source(world, nic_sibling, own, "nic-"), **plan.home, **plan.tagged}
        file = file_of(nic_sibling, plan.file)
        add_resource(world, NIC, nic_label, nic, file, repeat, [block_source("ip_configuration", inner)])
        self._machine(plan, label, f"{NIC}.{nic_label}{index}.id", own, repeat, world)
        return nic_label, index

    @staticmethod
    def _public_address(plan: _Plan, wish: Wish, label: str, own: str, repeat: str, index: str, world: World) -> str:
        if not wish.has(r"\bpublic (?:ip|address)\b|\bpip\b") or wish.has(
            r"\b(?:no|without(?: a| any)?) public (?:ip|address)\b|\bno pip\b"
        ):
            return ""
        label = label_for(world, inv.PUBLIC_IP, label)
        add_resource(world, inv.PUBLIC_IP, label, plan.public_address(own), plan.file, repeat)
        return f"{inv.PUBLIC_IP}.{label}{index}.id"

    def _machine(self, plan: _Plan, label: str, nic: str, own: str, repeat: str, world: World) -> None:
        sibling = plan.sibling
        user, access = self._access(plan, world)
        name = name_source(world, sibling, own, "vm-")
        machine = {"name": name}
        if plan.os == WINDOWS and len(re.sub(r"\$\{[^}]*\}", "12345", name.strip('"'))) > 15:
            machine["computer_name"] = f'"{re.sub(r"[^A-Za-z0-9-]", "", own)[:15]}"'
        machine |= {**plan.home, "size": literal(plan.size), "admin_username": user}
        if plan.os == WINDOWS:
            machine["admin_password"] = access
        machine["network_interface_ids"] = f"[{nic}]"
        if plan.spot:
            machine |= {"priority": '"Spot"', "eviction_policy": '"Deallocate"'}
        if plan.price is not None:
            machine["max_bid_price"] = literal(plan.price)
        blocks = []
        if plan.os == LINUX:
            blocks.append(block_source("admin_ssh_key", {"username": user, "public_key": access}))
        blocks.append(block_source("os_disk", {"caching": '"ReadWrite"', "storage_account_type": '"StandardSSD_LRS"'}))
        publisher, offer, sku = plan.image
        held = (
            sibling.value("source_image_reference") if sibling is not None and sibling.type == plan.os and not plan.explicit_image else None
        )
        if (
            isinstance(held, list)
            and held
            and isinstance(held[0], dict)
            and all(isinstance(held[0].get(k), str) for k in ("publisher", "offer", "sku"))
        ):
            publisher, offer, sku = held[0]["publisher"], held[0]["offer"], held[0]["sku"]
        image = {"publisher": literal(publisher), "offer": literal(offer), "sku": literal(sku), "version": '"latest"'}
        blocks.append(block_source("source_image_reference", image))
        add_resource(world, plan.os, label, {**machine, **plan.tagged}, plan.file, repeat, blocks)

    @staticmethod
    def _access(plan: _Plan, world: World) -> tuple[str, str]:
        """Admin user, and the public key or password, as source."""
        sibling = plan.sibling if plan.sibling is not None and plan.sibling.type == plan.os else None
        user = (own_source(sibling, "admin_username") if sibling else None) or '"azureuser"'
        if plan.os == WINDOWS:
            password = own_source(sibling, "admin_password") if sibling else None
            declared = next((n for n in world.context.root.modules[0].index if n.startswith("variable.") and "password" in n), "")
            password = password or (f"var.{declared.removeprefix('variable.')}" if declared else None)
            if password is None:
                raise Unsettled(
                    Question(
                        "A Windows machine needs an administrator password: declare a sensitive variable with `password` in its name, "
                        "and ask again.",
                        {},
                    )
                )
            return user, password
        given = _KEY.search(world.context.answer) or _KEY.search(" ".join(world.how))
        if given:
            return user, literal(given[1])
        for machine in ([sibling] if sibling else []) + [m for m in world.inventory.of_types(LINUX) if not m.instance.scope.module.path]:
            for block in machine.block.blocks:
                if block.type == "admin_ssh_key" and "public_key" in block.attributes:
                    return user, block.document.text(block.attributes["public_key"].value)
        keys = sorted(world.context.directory.glob("*.pub"))
        if keys:
            return user, f'file("${{path.module}}/{keys[0].name}")'
        raise Unsettled(
            Question(
                "A Linux machine needs an SSH public key: put it in the request or the answer (ssh-ed25519 ...), or a .pub file beside "
                "the configuration.",
                {},
            )
        )

    # --- load balancer ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _pool(wish: Wish, world: World) -> str | None:
        """The pool of a balancer that is there, when the request means one."""
        if wish.has(r"\b(?:a|an|new|its own)\s+(?:new\s+|public\s+|internal\s+|standard\s+)*(?:load ?balancer|lb)\b"):
            return None
        pools = world.inventory.of_types("azurerm_lb_backend_address_pool")
        mentions = [
            m
            for m in world.selector.names.mentions(wish.text)
            if any(r.type in (inv.BALANCER, "azurerm_lb_backend_address_pool") for _, r in m.named)
        ]
        if not pools or not (mentions or wish.has(r"\b(?:the|our|existing|same)\s+(?:\w+\s+){0,2}(?:load ?balancer|lb|balancer|pool)\b")):
            return None
        named = [r for m in mentions for _, r in m.named]
        fitting = [p for p in pools if p in named or any(b in named for b in world.inventory.refers_to(p, inv.BALANCER))] or pools
        if len(fitting) > 1:
            raise Unsettled(Question("Which backend pool?", {p.address: p.describe() for p in fitting}))
        source = reference(world, fitting[0])
        if source is None:
            raise Unsettled(Refusal(f"{fitting[0].address} is in a module that has no output for its id."))
        return source

    @staticmethod
    def _balancer(plan: _Plan, wish: Wish, world: World) -> str:
        label = label_for(world, inv.BALANCER, plan.base)
        match = re.search(r"\b(?:port|on|for|tcp)\s+(\d{2,5})\b", wish.text, re.IGNORECASE)
        port = match[1] if match else next((SERVICES[s] for s in ("https", "http") if wish.has(rf"\b{s}\b")), "80")
        internal = wish.has(r"\b(?:internal|private)\b")
        front = {"name": '"frontend"'}
        if internal:
            front |= {"subnet_id": plan.subnet, "private_ip_address_allocation": '"Dynamic"'}
        else:
            front["public_ip_address_id"] = f"{inv.PUBLIC_IP}.{label}_lb.id"
            add_resource(world, inv.PUBLIC_IP, f"{label}_lb", plan.public_address(f"{plan.base}-lb"), plan.file)
        balancer = {"name": f'"lb-{plan.base}"', **plan.home, "sku": '"Standard"', **plan.tagged}
        add_resource(world, inv.BALANCER, label, balancer, plan.file, blocks=[block_source("frontend_ip_configuration", front)])
        of_balancer, called = {"loadbalancer_id": f"{inv.BALANCER}.{label}.id"}, {"name": f'"tcp-{port}"'}
        parts = {
            "azurerm_lb_backend_address_pool": {"name": literal(plan.base), **of_balancer},
            "azurerm_lb_probe": {**called, **of_balancer, "protocol": '"Tcp"', "port": port},
            "azurerm_lb_rule": {
                **called,
                **of_balancer,
                "frontend_ip_configuration_name": '"frontend"',
                "protocol": '"Tcp"',
                "frontend_port": port,
                "backend_port": port,
                "backend_address_pool_ids": f"[azurerm_lb_backend_address_pool.{label}.id]",
                "probe_id": f"azurerm_lb_probe.{label}.id",
            },
        }
        for kind, arguments in parts.items():
            add_resource(world, kind, label, arguments, plan.file)
        return f"azurerm_lb_backend_address_pool.{label}.id"

    @staticmethod
    def _join(plan: _Plan, machine: tuple[str, str], pool: str, world: World) -> None:
        kind = "azurerm_network_interface_backend_address_pool_association"
        label, index = machine
        repeat = ""
        if plan.number > 1:
            repeat = f"  for_each = toset({literal(plan.names)})\n\n" if len(plan.names) > 1 else f"  count = {plan.number}\n\n"
        member = {
            "network_interface_id": f"{NIC}.{label}{index}.id",
            "ip_configuration_name": '"internal"',
            "backend_address_pool_id": pool,
        }
        add_resource(world, kind, label_for(world, kind, label), member, plan.file, repeat)


def _names(wish: Wish) -> list[str]:
    match = _NAMED.search(wish.text) or _LISTED.search(wish.text) or _BARE.search(wish.text)
    if not match:
        return []
    listed = [n for n in re.split(r"\s*,\s*|\s+and\s+|\s*&\s*", match["names"]) if n]
    return [n for n in listed if not re.fullmatch(r"(?:Standard_\w+|[A-F]\d+s?_v\d|in|with|on)", n)]


def _role(wish: Wish, world: World) -> str:
    """What the machines are for, as a name: `cache` of three cache servers."""
    for match in re.finditer(
        r"\b(?P<role>[a-z][a-z-]{1,14})\s+(?:vms?|virtual machines?|servers?|machines?|box(?:es)?|hosts?|nodes?|instances?)\b",
        wish.text,
        re.IGNORECASE,
    ):
        word = match["role"].lower()
        if not _ORDINARY.fullmatch(word):
            return word
    known = re.search(r"\b(bastion|jump ?host|jump ?box|cache|proxy|queue|build|runner|loadgen)\b", wish.text, re.IGNORECASE)
    if known:
        return known[1].lower().replace(" ", "")
    return "web" if wish.has(_BEHIND) else "vm" if wish.has(_NOUNS) and not wish.has(r"\bname\b") else ""


_ORDINARY = re.compile(
    r"(?:linux|windows|ubuntu|debian|rhel|new|small|big|large|tiny|cheap|spot|virtual|a|an|the|two|three|four|five|six|more|"
    r"another|extra|of|for|and|my|our|some|few|single|one|additional|fresh|"
    r"azure|couple|standard|identical|alike|same|private|public|server|redhat|hat|simple|plain|medium|size|gen|lts|up|need|want|add|create)"
)
