"""What new machines a wish asks for: system, image, size, number, names, network, Spot, public address, and one to be like."""

from __future__ import annotations

import re
from dataclasses import dataclass

from iac_agent.planner import sizes
from iac_agent.planner.inventory import LINUX, MACHINES, SUBNET, WINDOWS, Resource
from iac_agent.planner.lexicon import NUMBERS
from iac_agent.planner.names import stem
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.wish import CIDR, Wish
from iac_agent.planner.world import World

Image = tuple[str, str, str]
NOUNS = r"\b(?:vms?|virtual machines?|servers?|machines?|box(?:es)?|hosts?|nodes?|instances?)\b"
BEHIND = (
    r"\b(?:behind|load[- ]?balanced|with)\s+(?:a|an|the|our|its own|one)?\s*(?:\w+\s+){0,3}?(?:load ?balancer|lb|"
    r"balancer)\b|\bload[- ]?balanced\b|\bbehind (?:lb|\w+-lb)\b|\b(?:backend )?pool\b"
)
_NAMED = re.compile(
    r"\b(?:called|named|(?:call|name) (?:it|them)|name[sd]?:?|with the names?)\s+[\"'`]?(?P<names>[A-Za-z][\w-]*(?:(?:\s*,\s*|"
    r"\s+and\s+|\s*&\s*)(?:[A-Za-z][\w]*-?[\w-]*\d[\w-]*|[A-Za-z][\w-]*-[a-z]\b))*)",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"(?:vms?|machines?|servers?|boxes|nodes)[:,]?\s+(?P<names>[a-z][\w-]*(?:(?:\s*,\s*|\s+and\s+)[a-z][\w-]*\d[\w-]*)+)", re.IGNORECASE
)
_COUNTED = re.compile(
    r"\b(?P<number>\d|two|three|four|five|six)\s+(?:[\w.-]+\s+){0,2}?(?:vms|machines|servers|boxes|nodes)[:,]?\s+"
    r"(?P<names>[a-z][\w-]*(?:(?:\s*,\s*|\s+and\s+)[a-z][\w-]*)+)",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"\b(?:add|create|new|launch|spin up|need|deploy|provision|want)\s+(?:an?\s+|the\s+)?"
    r"(?:(?:new|small|big|large|linux|ubuntu|windows|debian|spot|extra)\s+)*(?:(?:vm|machine|server|box|host)\s+"
    r"['\"]?(?P<names>(?!called\b|named\b|in\b|with\b|to\b|on\b|for\b|like\b|behind\b|and\b|of\b)[a-z][\w-]*)['\"]?"
    r"(?=\s+(?:to|in|on|with|behind|like)\b|\s*,|\s*$)|(?P<bare>[a-z][a-z-]*\d+|[a-z]\w*-[\w-]*\w)(?=\s*,|\s+(?:like|same|in|on|to|next)\b))",
    re.IGNORECASE,
)
_BARE = re.compile(r"\b(?:vm|machine|server|box|host)\s+(?P<names>[a-z][a-z-]*\d+)\b", re.IGNORECASE)
_LIKE = re.compile(r"\b(?:just like|like|same as|copy of|clone of|identical to)\b", re.IGNORECASE)
_ANOTHER = re.compile(r"\b(?:another|(?:a|one) (?:second|third)|an? (?:additional|extra)|one more)\b", re.IGNORECASE)
_BESIDE = re.compile(r"\b(?:next to|beside|alongside)\b", re.IGNORECASE)
_IMAGES: tuple[tuple[str, str, Image], ...] = (
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
_PARTICULAR = r"\b(?:ubuntu|debian|rhel|red ?hat|alma)"
_EXACT = r"\b(?:ubuntu|debian|rhel|red ?hat|alma(?:linux)?|windows|win|server)\s*(?:server\s*)?\d+\b|\b(?:jammy|focal|noble)\b"
_SYSTEM_NETS = ("GatewaySubnet", "AzureBastionSubnet", "AzureFirewallSubnet")


@dataclass(frozen=True)
class Wanted:
    """`os` is the resource type. `image` is what to use where nothing says otherwise; `named_image` tells how it was asked for: not at all
    (empty), by `publisher` as in `ubuntu`, or `exact` as in `debian 12`.

    `size` is empty when none was asked for; `names` is empty or has one for each machine; `base` names them all. `subnet` is None where
    there is no network yet. `zone` is empty for none; `public` is None where nothing was said. `price` is the cap in dollars
    an hour. `like` is a machine that they should equal.
    """

    os: str
    image: Image
    named_image: str
    size: str
    number: int
    names: tuple[str, ...]
    base: str
    spot: bool
    price: float | None
    public: bool | None
    zone: str
    subnet: Resource | None
    like: Resource | None

    def accepts(self, image: object) -> bool:
        """Whether an image, as a `source_image_reference` in Python data, is what was asked for."""
        held = image if isinstance(image, dict) else {}
        if self.named_image == "exact":
            return tuple(held.get(k) for k in ("publisher", "offer", "sku")) == self.image
        return not self.named_image or held.get("publisher") == self.image[0]

    @property
    def keys(self) -> list[str]:
        """A name for each machine."""
        if self.number == 1:
            return [self.base]
        return list(self.names) if len(self.names) == self.number else [f"{self.base}-{n}" for n in range(1, self.number + 1)]

    @property
    def stem(self) -> str:
        """What they are called together."""
        return stem(self.base) if self.number > 1 else self.base


def read(wish: Wish, world: World) -> Wanted:
    """Raises Unsettled."""
    if wish.has(r"\b(?:sub|v)nets?\s+(?:called|named)\b|\b(?:an?|another|new|second)\s+(?:new\s+)?(?:sub|v)net\b"):
        raise Unsettled(
            Refusal("I put machines into networks that are there; I do not make another subnet. Add it to the configuration first.")
        )
    names = names_of(wish)
    _require_every_name(wish, names, world)
    image = next(((kind, i) for p, kind, i in _IMAGES if wish.has(rf"\b(?:{p})\b")), None)
    like = like_of(wish, world)
    kind = image[0] if image else like.type if like else LINUX
    subnet = _subnet(wish, like, world)
    base = names[0] if names else _counted_on(like, world) if like else role(wish)
    if not base:
        raise Unsettled(Question("What should the new machine be called? For example: called api.", {}))
    return Wanted(
        os=kind,
        image=image[1] if image else _DEFAULT_IMAGE[kind],
        named_image="exact" if image and wish.has(_EXACT) else "publisher" if image and wish.has(_PARTICULAR) else "",
        size=_size(wish, like or _first(kind, world)),
        number=_number(wish, names),
        names=tuple(names),
        base=base,
        spot=wish.has(r"\bspot\b"),
        price=wish.price if wish.has(r"\bspot\b") else None,
        public=_public(wish),
        zone=_zone(wish),
        subnet=subnet,
        like=like,
    )


def _require_every_name(wish: Wish, names: list[str], world: World) -> None:
    """Raise Unsettled where the wish names more machines than were understood: `web-3 in zone 3 and web-4 in zone 1`."""
    known = {r.azure_name.lower() for r in world.inventory.resources}
    said = {
        m.lower() for m in re.findall(r"(?<![\w.-])(?:vm-)?[a-z][a-z0-9]*(?:-[a-z0-9]+)*-\d+(?![\w.-])", wish.text, re.IGNORECASE)
    } - known
    missed = sorted(said - {n.lower() for n in names})
    if names and missed and len(said) > len(names):
        raise Unsettled(
            Question(f"I would make {', '.join(names)}. What is {missed[0]}? Name new machines together: named a-1 and a-2.", {})
        )


def names_of(wish: Wish) -> list[str]:
    """What the new machines are to be called; empty where that is not said."""
    match = next((m for p in (_NAMED, _LISTED, _BARE, _COUNTED, _AFTER) if (m := p.search(wish.text))), None)
    if not match:
        return []
    said = match["names"] or match.groupdict().get("bare") or ""
    listed = [n for n in re.split(r"\s*,\s*|\s+and\s+|\s*&\s*", said) if n]
    if match.re is _COUNTED and NUMBERS.get(match["number"].lower(), match["number"]) not in (len(listed), str(len(listed))):
        return []
    return [n for n in listed if not re.fullmatch(r"(?:Standard_\w+|in|with|on)", n) and sizes.get(f"Standard_{n}") is None]


def _number(wish: Wish, names: list[str]) -> int:
    if len(names) > 1:
        return len(names)
    match = re.search(
        r"(?<![\w.-])(\d{1,2}|two|three|four|five|six|seven|eight|nine|ten|couple)\b(?!\s*v?(?:cores?|cpus?))"
        r"(?=(?:\s+(?:of\s+)?[\w.-]+){0,6}?\s+(?:vms?|virtual machines|servers|machines|boxes|hosts|nodes|instances)\b)",
        wish.without(CIDR),
        re.IGNORECASE,
    )
    if not match:
        return 1
    return int(match[1]) if match[1].isdigit() else NUMBERS[match[1].lower()]


def _first(kind: str, world: World) -> Resource | None:
    return next(iter(world.inventory.of_types(kind) or world.inventory.of_types(*MACHINES)), None)


def _size(wish: Wish, example: Resource | None) -> str:
    """The size asked for by name, or by cores and memory in the series of an example; empty when none is."""
    if wish.size:
        return sizes.require(wish.size).name
    if not wish.cores:
        return ""
    held = sizes.get(str(example.value("size"))) if example is not None else None
    memory = re.search(r"(\d+)\s*(?:gib|gb|gigs?)", wish.text, re.IGNORECASE)
    fitting = sizes.with_cores_and_memory(held, wish.cores, float(memory[1])) if memory else []
    same = fitting[0] if fitting else sizes.with_cores(held or sizes.all_sizes()["standard_d2s_v5"], wish.cores)
    return same.name if same else ""


def _public(wish: Wish) -> bool | None:
    if wish.has(r"\b(?:no|without(?: a| any)?|but no) public (?:ip|address)\b|\bno pip\b"):
        return False
    return True if wish.has(r"\bpublic (?:ip|address)\b|\bpip\b") else None


def _zone(wish: Wish) -> str:
    zones = list(dict.fromkeys(wish.zones))
    if len(zones) > 1:
        raise Unsettled(Refusal("New machines of one request are put into one zone. Ask for those of each zone by themselves."))
    return zones[0] if zones else ""


def like_of(wish: Wish, world: World) -> Resource | None:
    """The machine that the new ones should equal in everything but their names."""
    for said in (_LIKE.search(wish.text), _ANOTHER.search(wish.text)):
        told = (
            re.split(r",|\b(?:but|called|named|call it|name it|with|in|on|to|for|of|at|like)\b", wish.text[said.end() :])[0] if said else ""
        )
        named = list(dict.fromkeys(r for m in world.selector.names.mentions(told) for r in world.selector.meant(m, MACHINES)))
        if len(named) == 1 or (said is not None and said.re is _LIKE and len({r.block for r in named}) == 1):
            return named[0]
    return None


def _counted_on(like: Resource, world: World) -> str:
    """The next name after that of a machine: `jump-2` after `jump`."""
    keys = [k for k in like.keys if isinstance(k, str)]
    path = like.instance.scope.module.path
    own = keys[0] if keys else path[0] if path else like.label if like.label.replace("_", "-") in like.azure_name else like.azure_name
    match = re.fullmatch(r"(.*?)[-_]?(\d+)", own)
    kind, last = (match[1], int(match[2])) if match else (own, 1)
    taken = {k for r in world.inventory.of_types(*MACHINES) for k in (*r.keys, r.label, *r.instance.scope.module.path)}
    return next(name for n in range(last + 1, last + 100) if (name := f"{kind}-{n}") not in taken)


def role(wish: Wish) -> str:
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
    return "web" if wish.has(BEHIND) else "vm" if wish.has(NOUNS) and not wish.has(r"\bname\b") else ""


_ORDINARY = re.compile(
    r"(?:linux|windows|ubuntu|debian|rhel|new|small|big|large|tiny|cheap|spot|virtual|a|an|the|two|three|four|five|six|more|"
    r"another|extra|of|for|and|my|our|some|few|single|one|additional|fresh|"
    r"azure|couple|standard|identical|alike|same|private|public|server|redhat|hat|simple|plain|medium|size|gen|lts|up|need|want|add|create)"
)


# --- the network -------------------------------------------------------------------------------------------------------


def _subnet(wish: Wish, like: Resource | None, world: World) -> Resource | None:
    subnets = world.inventory.of_types(SUBNET)
    if not subnets:
        return None
    example = _subnet_by_example(wish, like, world)
    if example is not None:
        return example
    around = re.search(
        r"\b(?:in|into|on|to|inside|next to|beside|alongside|same subnet as)\s+(?P<where>.+)$|(?P<named>[\w-]+)\s+(?:sub)?net\b|"
        r"\bsubnet\s+(?P<after>[\w-]+)",
        wish.text,
        re.IGNORECASE,
    )
    text = (around["where"] or around["named"] or around["after"]) if around else ""
    text = re.sub(r"\b(?:Standard_\w+|[BDEF]\d+\w*)\b|\bnamed .*|\bcalled .*", " ", text)
    named = list(world.selector.names.mentions(world.context.answer or text))
    found = list(dict.fromkeys(s for m in named for s in world.selector.meant(m, (SUBNET,))))
    agreed = [s for s in found if all(s in world.selector.meant(m, (SUBNET,)) for m in named)]
    if len(found) > 1 and agreed:
        found = agreed
    if len(found) > 1:
        exact = [s for m in named for strength, s in m.named if s.type == SUBNET and strength >= 3]
        found = list(dict.fromkeys(exact)) or found
    if len(found) == 1:
        return found[0]
    usable = [s for s in (found or subnets) if s.azure_name not in _SYSTEM_NETS]
    if len(usable) == 1:
        return usable[0]
    raise Unsettled(Question("Which subnet should the new machine be in?", {s.address: s.describe() for s in usable}))


def _subnet_by_example(wish: Wish, like: Resource | None, world: World) -> Resource | None:
    """The subnet of the machine that the new one is like or beside, or of those in the pool it joins."""
    examples: list[Resource] = []
    elsewhere = wish.has(r"\bin (?:the )?(?!its\b|their\b|same\b)[\w-]+ ?(?:sub)?net\b|\bsnet-")
    if like is not None and not elsewhere:
        examples = [like]
    elif _BESIDE.search(wish.text) or (_LIKE.search(wish.text) and like is None):
        examples = [r for m in world.selector.names.mentions(wish.text) for _, r in m.named if r.type in MACHINES]
    elif wish.has(BEHIND) and not elsewhere:
        examples = world.inventory.pooled()
    found = list(dict.fromkeys(s for x in examples for s in world.inventory.subnets_of(x)))
    return found[0] if len(found) == 1 else None
