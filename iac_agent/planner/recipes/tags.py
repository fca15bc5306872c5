"""Tags: add, change, rename or remove some, on one resource or on everything that can carry them, without losing the others."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from iac_agent.azure.lenses import all_lenses
from iac_agent.planner.inventory import GROUP, MACHINES, Resource
from iac_agent.planner.lexicon import KIND_PATTERN
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World, listed
from iac_agent.planner.writing.maps import drop_key, put_keys, rename_key
from iac_agent.planner.writing.removal import element_home
from iac_agent.planner.writing.write import home_of

_TAG = re.compile(r"\b(?:re|un)?tag(?:s|ged|ging)?\b", re.IGNORECASE)
_REMOVE = (
    r"\b(?:remove|delete|drop|unset|kick|strip|clear|get rid of|lose|untag|throw (?:out|away)|toss|ditch|take|kill|no more|without|"
    r"wipe|scrap|erase|purge|no longer need|(?:not|n't) need)\b"
)
_EVERYTHING = re.compile(
    r"\b(?:everything|everywhere|all (?:the )?(?:resources|tags|things)|every (?:single )?(?:resource|thing)|all of (?:it|"
    r"them)|the whole (?:stack|thing|lot))\b",
    re.IGNORECASE,
)
_OTHER = re.compile(r"\b(?:on|of|for|from)\s+(?!everything|everywhere|all\b)\w|\bits?\b|\bthe(?:m|ir|se)\b|\bth(?:is|at)\b", re.IGNORECASE)
_KEY = r"[\"'`]?(?P<key>[A-Za-z][\w.-]*)[\"'`]?"
_VALUE = r"(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[\w.@/+:-]*[\w@/+]))"
_RENAMES = (
    re.compile(
        rf"\b(?:rename|change|call|turn)\b.*?\btag\s+(?:key\s+)?(?!(?:on|of|for|from|to)\b){_KEY}\b.*?\b(?:to|into|as)\s+[\"'`]?(?P<to>[\w.-]*\w)",
        re.IGNORECASE,
    ),
    re.compile(rf"\brename\s+(?:the\s+)?{_KEY}\s+to\s+[\"'`]?(?P<to>[\w.-]*\w)\b.*\btags?\b", re.IGNORECASE),
    re.compile(rf"\brename\b.*?(?:the\s+)?{_KEY}\s+tags?\b.*?\b(?:to|into|as)\s+[\"'`]?(?P<to>[\w.-]*\w)", re.IGNORECASE),
    re.compile(rf"\b(?:the\s+)?(?:tag\s+)?{_KEY}(?:\s+tag)?\s+should be (?:called|named)\s+[\"'`]?(?P<to>[\w.-]*\w)", re.IGNORECASE),
)
_WRONG = r"wrong|outdated|missing|incorrect|stale|old|obsolete|misspelt|a typo"
_BROAD = re.compile(
    rf"^(?:[Aa]dd|[Pp]ut|[Ss]et)\s+(?=[a-z]*[A-Z-]|cost|owner|team|env){_KEY}\s+{_VALUE}\s+(?:on|to)\s+(?:everything|"
    r"all (?:the )?resources|every resource)"
)
_SETS = (
    re.compile(
        rf"\b(?:owned|run|paid) by "
        rf"(?P<owner>{_VALUE.replace('double', 'd2').replace('single', 's2').replace('bare', 'b2')}).*\b(?P<key>owner) "
        rf"tag(?P<double>)?(?P<single>)?(?P<bare>)?",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?:the\s+)?{_KEY}\s+tags?\s+(?:(?:of|on|for)\s+.+?\s+)?(?:is|was|are)\s+(?:{_WRONG})\b[,;]?\s*(?:it\s+|and\s+)?"
        rf"(?:should (?:be|say|read)|must be)\s+{_VALUE}",
        re.IGNORECASE,
    ),
    re.compile(rf"\btags?\s+{_KEY}\s+(?:of .+? |on .+? )?(?:to|as|with value|is|should be|becomes)\s+{_VALUE}", re.IGNORECASE),
    re.compile(
        rf"\b(?:the\s+)?{_KEY}\s+tags?\s+(?:of .+? |on .+? |for .+? )?(?:to|as|is|should be|should read|becomes|=)\s+{_VALUE}",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?:tag|label|mark|stamp)\s+.+?\s+(?:with|as)\s+(?:the\s+)?(?:tag\s+)?{_KEY}\s+(?:of\s+|value\s+|to\s+|is\s+)?{_VALUE}\s*$",
        re.IGNORECASE,
    ),
    re.compile(rf"\btag\s+{_KEY}\s+{_VALUE}\s+(?:on|to)\b", re.IGNORECASE),
    _BROAD,
    re.compile(
        rf"\b(?:add|give|put|set)\b.*?\btags?\s+{_KEY}\s+(?:with (?:the )?value\s+)?{_VALUE}(?=\s+(?:on|to|for)\b|\s*$)", re.IGNORECASE
    ),
)


class Tags:
    id = "tags"
    title = "add, change, rename or remove tags"
    examples: tuple[str, ...] = (
        "tag vm-web owner=sre",
        "put cost-center=4711 on everything",
        "remove the owner tag from vm-web",
        "rename the tag env to environment on vm-web",
    )

    def claims(self, wish: Wish, world: World) -> bool:
        acts = (
            _own_pairs(wish, world)
            or _spoken(wish.text, world)
            or any(p.search(wish.text) for p in (*_RENAMES, *_SETS))
            or wish.has(_REMOVE)
            or wish.has(r"\b(?:re|un)?tag(?:ged)? (?:the |all |every|my )?|\b(?:change|set|update|fix)\b")
        )
        if not acts or wish.has(r"^[\w\s-]+ has no tags?$"):
            return False
        if _TAG.search(wish.text) and not re.search(r"\b(?<!be )(?:tagged|with (?:the )?tag)\b", wish.text, re.IGNORECASE):
            return True
        return bool(
            _own_pairs(wish, world) and "=" in wish.text and not re.search(r"\b(?:tagged|where|having)\b", wish.text, re.IGNORECASE)
        ) or bool(_spoken(wish.text, world) or _BROAD.search(wish.text))

    def plan(self, wish: Wish, world: World) -> None:
        rename = next((m for p in _RENAMES if (m := p.search(wish.text))), None)
        if rename and rename["key"].lower() not in ("the", "tag"):
            self._rename(wish, world, rename)
            return
        pairs = _own_pairs(wish, world)
        if not pairs and re.search(_REMOVE, wish.text, re.IGNORECASE) and (keys := _removed(wish.text, world)):
            self._remove(wish, world, keys)
            return
        spent: list[re.Pattern[str]] = []
        if not pairs:
            pairs, spent = self._said(wish, world)
        if not pairs:
            raise Unsettled(Question("Which tag, with which value? For example: owner=sre.", {}))
        targets = self._targets(wish, world, [_PAIR, *spent], pairs)
        if wish.has(r"where (?:it is|they are|it's) set\b|\bthat have it\b"):
            targets = [t for t in targets if set(pairs) & set(t.tags)]
        targets = _with_call(targets, wish, world)
        changing = [t for t in targets if any(t.tags.get(k) != v for k, v in pairs.items())]
        if not changing:
            raise Unsettled(Refusal(f"{listed(targets)} has those tags already."))
        for key, value in pairs.items():
            same = next((k for k in changing[0].tags if k.lower() == key.lower()), key)
            put_keys(world.writer, targets, "tags", {same: value})
            world.expect(changing, f"tags.{same}", value)
        world.touch(changing)
        world.say(f"Tag {listed(changing)} with {', '.join(f'{k}={v}' for k, v in pairs.items())}.")

    @staticmethod
    def _said(wish: Wish, world: World) -> tuple[dict[str, str], list[re.Pattern[str]]]:
        spoken = _spoken(wish.text, world)
        if spoken:
            return {spoken[0]: spoken[1]}, [re.compile(rf"(?<![\w-]){re.escape(part)}(?![\w-])", re.IGNORECASE) for part in spoken[2]]
        for pattern in _SETS:
            match = pattern.search(wish.text)
            if match and match["key"].lower() not in ("the", "a", "tag", "tags"):
                value = match["double"] or match["single"] or match["bare"] or match.groupdict().get("owner") or ""
                spans = [re.compile(rf"{re.escape(match['key'])}(?=\W)"), re.compile(re.escape(value))]
                return {_known_key(match["key"], world) or match["key"]: value}, spans
        return {}, []

    def _rename(self, wish: Wish, world: World, match: re.Match[str]) -> None:
        key, to = _known_key(match["key"], world) or match["key"], match["to"]
        spans = [re.compile(rf"\b{re.escape(match['key'])}\b"), re.compile(rf"\b{re.escape(to)}\b"), re.compile(r"\brename\b|\bto\b")]
        targets = [t for t in _with_call(self._targets(wish, world, spans, [key]), wish, world) if key in t.tags]
        if not targets:
            raise Unsettled(Refusal(f"Nothing meant here has a tag {key}."))
        rename_key(world.writer, targets, "tags", key, to)
        for target in targets:
            world.expect([target], f"tags.{to}", target.tags[key])
        world.touch(targets)
        world.say(f"Rename the tag {key} to {to} on {listed(targets)}.")

    def _remove(self, wish: Wish, world: World, keys: list[str]) -> None:
        spans = [re.compile(rf"\b{re.escape(k)}\b", re.IGNORECASE) for k in keys] + [re.compile(_REMOVE, re.IGNORECASE)]
        targets = [t for t in _with_call(self._targets(wish, world, spans, keys), wish, world) if set(keys) & set(t.tags)]
        if not targets:
            raise Unsettled(Refusal(f"Nothing meant here has a tag {', '.join(keys)}."))
        for key in keys:
            drop_key(world.writer, targets, "tags", key)
        world.touch(targets)
        world.say(f"Remove the tag {', '.join(keys)} from {listed(targets)}.")

    @staticmethod
    def _targets(wish: Wish, world: World, spent: list[re.Pattern[str]], keys: Iterable[str]) -> list[Resource]:
        """The resources meant; where none is named, all that have one of these keys already."""
        kinds = tuple(sorted({r.type for r in world.inventory.resources} & taggable()))
        text = wish.without(*spent, _TAG)
        everything = _EVERYTHING.search(wish.text)
        holders = [r for r in world.inventory.resources if r.type in kinds and set(keys) & set(r.tags)]
        if holders and _names_nothing(text, world) and (not everything or wish.has(r"\b(?:change|update|rename)\b")):
            return holders
        inside = _within(wish.text, world, kinds)
        if inside:
            return inside
        if everything:
            text = wish.without(*spent, re.compile(r"\btags?\b", re.IGNORECASE))
            return list(world.choose(Wish(text), kinds, _EVERYTHING.sub("everything", text), plural=True))
        return list(world.choose(wish, kinds, text))


def _within(text: str, world: World, kinds: tuple[str, ...]) -> list[Resource]:
    """Everything of a resource group, where that is asked for: `everything in the spoke`, `all spoke resources`."""
    match = _INSIDE.search(text)
    named = [r for m in world.selector.names.mentions(match["a"] or match["b"]) for _, r in m.named] if match else []
    groups = {r.azure_name.lower() for r in named if r.type == GROUP and r.azure_name}
    return [
        r
        for r in world.inventory.resources
        if r.type in kinds
        and (str(r.value("resource_group_name") or "").lower() in groups or (r.type == GROUP and r.azure_name.lower() in groups))
    ]


_INSIDE = re.compile(
    r"\b(?:everything|every resource|all (?:the )?(?:resources|things))\s+(?:in|of|inside)\s+(?:the\s+)?(?P<a>[\w-]+)|"
    r"\b(?:all|every)\s+(?:the\s+)?(?P<b>[\w-]+)\s+resources?\b",
    re.IGNORECASE,
)
_PAIR = re.compile(r"""["']?[A-Za-z][\w.-]*["']?\s*(?:=|:(?!//))\s*(?:"[^"]*"|'[^']*'|[\w.@/+-]*[\w@/+])""")


def _own_pairs(wish: Wish, world: World) -> dict[str, str]:
    """The pairs that are tags: not settings, nor what a resource is said to get (`postgres: backup tag should be hourly`)."""
    return {
        k: v
        for k, v in wish.pairs.items()
        if (f"{k}=" in wish.text or _known_key(k, world) or not world.selector.names.mentions(k))
        and k.lower() not in ("size", "count", "port", "name", "sku", "location")
        and not v.startswith("azurerm_")
    }


def _with_call(targets: list[Resource], wish: Wish, world: World) -> list[Resource]:
    """The targets, and what a module call or an element makes beside its one machine where tags are written for all of that there."""
    found = list(targets)
    for target in targets if not wish.has(r"\b(?:only|just)\b") else ():
        scope, home = target.instance.scope, element_home(target)
        same_call = [r for r in world.inventory.resources if r.instance.scope is scope] if scope.prefix else []
        mates = same_call or [r for r in world.inventory.resources if home is not None and element_home(r) == home]
        held = target.instance.value(("tags",))
        if held is None or sum(r.type in MACHINES for r in mates) != 1 or target.type not in MACHINES:
            continue
        known = {r.address for r in mates}
        for part in held.parts or (held,):
            place = home_of(part)
            users = {a for a, _ in world.inventory.users.of(place)} if place is not None and place.editable else set()
            if len(users) > 1 and users <= known:
                found += [r for r in mates if r.address in users and r not in found]
    return found


def _names_nothing(text: str, world: World) -> bool:
    """Whether a wish for tags, without their names and values, says of no resource: `the cost center is 0815 now`."""
    left = _EVERYTHING.sub(" ", text)
    return not (
        world.last or world.context.answer or world.selector.names.mentions(left) or KIND_PATTERN.search(left) or _OTHER.search(left)
    )


@functools.cache
def taggable() -> frozenset[str]:
    """The types that can carry tags."""
    return frozenset(t for t, lens in all_lenses().items() if any(f.name == "tags" for f in lens.fields))


def _plain(text: str) -> str:
    return re.sub(r"[\s_.-]", "", text.lower())


def _keys(world: World) -> list[str]:
    return list(dict.fromkeys(k for r in world.inventory.resources for k in r.tags))


def _known_key(text: str, world: World) -> str | None:
    return next((k for k in _keys(world) if _plain(k) == _plain(text)), None)


def _spaced(key: str) -> str:
    """A pattern for a tag key as people write it: `cost center` for cost-center and costcenter."""
    words = [w for w in re.split(r"[\s_.-]", key) if w]
    pattern = r"[\s_.-]?".join(re.escape(w) for w in words)
    return pattern if len(words) > 1 else pattern.replace("costcenter", r"cost[\s_-]?cent(?:er|re)")


def _spoken(text: str, world: World) -> tuple[str, str, tuple[str, str]] | None:
    """`the cost center is 0815 now`, `set backup to weekly`: a tag key that exists here, a value, and the words for both."""
    for key in _keys(world):
        match = re.search(
            rf"(?<![\w-])(?P<key>{_spaced(key)}(?:\s+tags?)?)(?:\s+(?:of|on|for)\s+[\w\s-]+?)?\s+(?:"
            rf"(?:is|was) (?:{_WRONG})\b[,;]?\s*(?:it |and )?(?:should be|should say|should read|must be)|from\s+[\w.@/+-]+\s+to|"
            rf"is(?: now)?|to|are|should be|"
            rf"should say|"
            rf"should read|becomes|changes to|goes to|now reads|=|->)\s+(?:now\s+)?[\"']?(?P<value>[\w.@/+-]*\w)",
            text,
            re.IGNORECASE,
        )
        if (
            match
            and not re.fullmatch(rf"standard_\w+|[a-z]\d+\w*_v\d|be|the|a|an|on|not|{_WRONG}", match["value"], re.IGNORECASE)
            and key.lower() not in ("name", "role", "vm", "app")
        ):
            return key, match["value"], (match["key"], match["value"])
    return None


def _removed(text: str, world: World) -> list[str]:
    keys = [k for k in _keys(world) if re.search(rf"(?<![\w-]){_spaced(k)}(?![\w-])(?!\s+(?:vm|machine|server)s?\b)", text, re.IGNORECASE)]
    named = re.search(rf"\btags?\s+(?:called\s+|named\s+)?{_KEY}|(?:the\s+){_KEY.replace('key', 'before')}\s+tags?\b", text, re.IGNORECASE)
    said = (named["key"] or named["before"]) if named else ""
    near = [
        k
        for k in keys
        if re.search(
            rf"\btags?\s+(?:[\w-]+(?:,| and)\s+)*['\"]?{_spaced(k)}\b|\b{_spaced(k)}['\"]?(?:(?:,| and)\s+['\"]?[\w-]+['\"]?)*\s+tags?\b",
            text,
            re.IGNORECASE,
        )
    ]
    if near:
        return near
    if said and said.lower() not in ("from", "on", "off", "of", "for", "the", "a"):
        return [_known_key(said, world) or said]
    return keys[:1]
