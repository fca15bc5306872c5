"""Which resources a request means: by address, Azure name, key, role, tag, location, kind, relation, `all`, `except`, an ordinal.

Never a guess: when several fit and the request does not say which, the result is a Question with the candidates.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from iac_agent.planner import inventory as inv
from iac_agent.planner import lexicon
from iac_agent.planner.inventory import Inventory, Resource
from iac_agent.planner.names import NAME, ROLE, Mention, Names, words
from iac_agent.planner.protocol import Question

_JOINED = re.compile(
    r"\s*(?:[,&+/]|\b(?:and|or|plus|as well as)\b)[\s,]*(?:and\s+)?(?:on |for |of |from |to )?(?:the |both |of )*", re.IGNORECASE
)
_ONE_OF = re.compile(r"\b(?:one|any|some|a couple) of (?:the|our|these|those|my)\b|\ba (?:vm|machine|server|disk|nic)\b", re.IGNORECASE)
HAVING = re.compile(
    r"\b(?:that|which|who)\s+(?:do(?:es)?(?:n't|\s+not)\s+(?:yet\s+)?have|lacks?|(?:is|are)(?:n't| not)|still)\b[^,;]*?(?=$|"
    r",|;|\bto\b)|(?:every)?where it is set",
    re.IGNORECASE,
)
_AND_ITS = re.compile(
    r"(?:,|\band|\bwith|\bplus|\bincluding)\s+(?:all )?(?:of )?(?:its|their)\s+(?P<kind>[\w ]+?)(?=$|,|;|\s+(?:to|too|by|as)\b)",
    re.IGNORECASE,
)
_TAGGED = re.compile(
    r"\b(?:tagged|with (?:the )?tag|with|where|having)\s+(?P<key>[\w.-]+)\s*(?:=|:|\bis\b|\bequals\b)\s*[\"']?(?P<value>[\w.-]+)",
    re.IGNORECASE,
)
_GROUPS = re.compile(r"\b(tier|fleet|cluster|farm|pool|ones|guys|nodes)\b", re.IGNORECASE)
_COUNTED = re.compile(r"\b(?:all )?(?:the |these |those )?(two|three|four|five|six|both|\d)\s+(?:[\w-]+\s+){0,2}?(?=\w)", re.IGNORECASE)


@dataclass(frozen=True)
class Selection:
    """The resources meant, in the order of the configuration; `named` when the request names them rather than a kind."""

    resources: tuple[Resource, ...]
    named: bool


Chosen = Selection | Question | None


class Selector:
    """Finds what is meant in an inventory."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory

    @functools.cached_property
    def names(self) -> Names:
        return Names(self.inventory)

    def select(self, text: str, kinds: tuple[str, ...], answer: str = "", *, plural: bool = False) -> Chosen:
        """The resources of `kinds` that `text` means. None when there is none of that kind; a Question when it is not clear which."""
        candidates = self.inventory.of_types(*kinds)
        if not candidates:
            return None
        if answer:
            given = [self._answered(part, kinds, candidates) for part in answer.split(";")]
            return next((g for g in given if isinstance(g, Selection)), given[-1])
        along = _AND_ITS.search(text)
        if along and (said := [lexicon.kind_of(m) for m in lexicon.KIND_PATTERN.finditer(along["kind"])]):
            return self._with_belongings(text[: along.start()], kinds, said[0], plural=plural)
        text = HAVING.sub(" ", text)
        text, without = self._exceptions(text, kinds)
        many = plural or bool(lexicon.ALL.search(text)) or bool(_GROUPS.search(text)) or self._plural_kind(text, kinds)
        single = _ONE_OF.search(text) is not None
        many = many and not single
        pool = self._qualified(text, candidates)
        if isinstance(pool, Question):
            return pool
        groups = self._groups(text, kinds)
        many = many or (not single and self._everything_in(text, groups))
        unknown = self._unknown(text, groups) or self._at_odds(text, kinds)
        if unknown:
            return unknown
        if not groups:
            strange = self.strange(text, pool or candidates)
            if strange:
                return strange
            many = many or self._one_of_each(text, pool)
            return self._one_or_ask(self._ordinal(text, pool), many, without, named=len(pool) < len(candidates))
        found, unclear = self._combine(text, groups, pool)
        found = self._data_disk(text, self._ordinal(text, found))
        every = lexicon.ALL.search(text) or _COUNTED.search(text)
        if not every and 0 < len(self._called_data(found)) < len(found) and re.search(r"\bdata (?:disks|drives)\b", text, re.IGNORECASE):
            return self.ask(found, "Those that are called data, or all data disks?")
        if not found:
            return self.ask(pool or candidates, "Nothing here fits that.")
        if not many and len({r.type for r in found}) > 1 and not self._said_kind(text):
            found = [r for r in found if r.type in (*inv.MACHINES, *inv.SCALE_SETS)] or found
            unclear = unclear and len(found) > 1
        many = (many or not unclear or self._whole_block(text, groups, found)) and not (single and len(found) > 1)
        return self._one_or_ask(found, many, without, named=True)

    def _with_belongings(self, text: str, kinds: tuple[str, ...], wanted: tuple[str, ...], *, plural: bool) -> Chosen:
        """`db and its disks`: what the text before means, with what belongs to it."""
        chosen = self.select(text, tuple(k for k in kinds if k not in wanted) or kinds, plural=plural)
        if not isinstance(chosen, Selection):
            return chosen
        belongings = [x for r in chosen.resources for x in self.inventory.related(r, wanted) if x.type in kinds]
        return Selection(tuple(dict.fromkeys([*chosen.resources, *belongings])), named=True)

    # --- parts -----------------------------------------------------------------------------------------------------

    def _exceptions(self, text: str, kinds: tuple[str, ...]) -> tuple[str, list[Resource]]:
        without: list[Resource] = []
        for pattern in (lexicon.ALL_BUT, lexicon.EXCEPT, lexicon.NEGATED):
            match = pattern.search(text)
            if match:
                said = [k for m in lexicon.KIND_PATTERN.finditer(match["rest"]) for k in lexicon.kind_of(m)]
                named = [r for mention in self.names.mentions(match["rest"]) for r in self.meant(mention, kinds)]
                without += named or [r for r in self.inventory.of_types(*said) if r.type in kinds]
                text = text[: match.start("rest")].removesuffix("but ") if pattern is lexicon.ALL_BUT else text[: match.start()]
        return text, without

    @staticmethod
    def _whole_block(text: str, groups: list[tuple[list[Resource], Mention]], found: list[Resource]) -> bool:
        """Whether one bare label names all instances of its block: `resize web to ...`, but not `the web server`."""
        if len({r.block_address for r in found}) != 1 or any(not m["plural"] for m in lexicon.KIND_PATTERN.finditer(text)):
            return False
        return any(m.text.lower() == found[0].label.lower() and not text[: m.start].lower().endswith("the ") for _, m in groups)

    @staticmethod
    def _everything_in(text: str, groups: list[tuple[list[Resource], Mention]]) -> bool:
        """Whether all of a module is meant: `disable boot diagnostics in test`, `move the test environment`."""
        if len(groups) != 1 or any(not m["plural"] for m in lexicon.KIND_PATTERN.finditer(text)):
            return False
        found, mention = groups[0]
        before, after = text[: mention.start], text[mention.end :]
        inside = re.search(r"\bin (?:the )?$", before, re.IGNORECASE) and re.fullmatch(r"\W*(?:only)?\W*", after, re.IGNORECASE)
        whole = re.match(r"\s+(?:environment|env|stack|module)\b", after, re.IGNORECASE)
        return bool(inside or whole) and all(mention.text.lower() in r.instance.scope.module.path for r in found)

    @staticmethod
    def _one_of_each(text: str, pool: list[Resource]) -> bool:
        """Whether several kinds are listed and there is one of each: `the key vault and the storage account`."""
        said = list(lexicon.KIND_PATTERN.finditer(text))
        listed = any(_JOINED.fullmatch(text[a.end() : b.start()]) for a, b in itertools.pairwise(said))
        return listed and len(pool) == len({r.type for r in pool}) == len({frozenset(lexicon.kind_of(m)) for m in said})

    @staticmethod
    def _said_kind(text: str) -> bool:
        return lexicon.KIND_PATTERN.search(text) is not None

    @staticmethod
    def _plural_kind(text: str, kinds: tuple[str, ...]) -> bool:
        return any(m["plural"] and set(lexicon.kind_of(m)) & set(kinds) for m in lexicon.KIND_PATTERN.finditer(text))

    def _qualified(self, text: str, candidates: list[Resource]) -> list[Resource] | Question:
        """The candidates that fit the kind words, the location and the tags in the text."""
        pool = candidates
        said = [set(lexicon.kind_of(m)) for m in lexicon.KIND_PATTERN.finditer(text)]
        fitting = [k for k in said if any(r.type in k for r in pool)]
        if fitting:
            pool = [r for r in pool if any(r.type in k for k in fitting)]
        if re.search(r"\bwindows\b", text, re.IGNORECASE):
            pool = [r for r in pool if r.type == inv.WINDOWS] or pool
        if re.search(r"\b(linux|ubuntu|debian)\b", text, re.IGNORECASE):
            pool = [r for r in pool if r.type == inv.LINUX] or pool
        match = _TAGGED.search(text)
        if match and any(match["key"].lower() in {k.lower() for k in r.tags} for r in self.inventory.resources):
            pool = [
                r for r in pool if any(k.lower() == match["key"].lower() and v.lower() == match["value"].lower() for k, v in r.tags.items())
            ]
            if not pool:
                return self.ask(candidates, f"Nothing here is tagged {match['key']}={match['value']}.")
        region = re.search(r"\bin (?:the )?([a-z]+ ?[a-z]+ ?\d?)\b", text.lower())
        if region and region[1].replace(" ", "") in lexicon.REGIONS:
            pool = [r for r in pool if r.location == region[1].replace(" ", "")]
            if not pool:
                return self.ask(candidates, f"Nothing here is in {region[1]}.")
        return pool

    def _groups(self, text: str, kinds: tuple[str, ...]) -> list[tuple[list[Resource], Mention]]:
        found = []
        for mention in self.names.mentions(text):
            meant = self.meant(mention, kinds)
            if meant and mention.text.lower() == "data" and re.match(r"\s+(?:disks?|drives?)\b", text[mention.end :], re.IGNORECASE):
                continue
            if meant:
                found.append((meant, mention))
        return found

    def meant(self, mention: Mention, kinds: tuple[str, ...]) -> list[Resource]:
        """The resources of these kinds that a mention stands for, itself or by what belongs to it."""
        direct = [(s, r) for s, r in mention.named if r.type in kinds]
        strongest = max((s for s, _ in direct), default=0)
        if strongest >= NAME:
            return [r for s, r in direct if s == strongest or (s >= ROLE and mention.plural)]
        owners = [(s, r) for s, r in mention.named if r.type in (*inv.MACHINES, *inv.SCALE_SETS)] or list(mention.named)
        best = max(s for s, _ in owners)
        related = [x for s, r in owners if s == best for x in self.inventory.related(r, kinds) if x.type in kinds]
        if best >= ROLE and related and strongest < ROLE:
            return list(dict.fromkeys(related))
        return [r for s, r in direct if s == strongest] or list(dict.fromkeys(related))

    def _combine(self, text: str, groups: list[tuple[list[Resource], Mention]], pool: list[Resource]) -> tuple[list[Resource], bool]:
        """Mentions that are listed add up; mentions that qualify each other narrow down. Second: whether one alone is still several."""
        allowed = set(pool)
        current: list[Resource] = []
        unclear = False
        end = -1
        for meant, mention in groups:
            inside = [r for r in meant if r in allowed]
            if not inside:
                continue
            between = text[end : mention.start] if end >= 0 else ""
            listed = end >= 0 and bool(between.strip()) and _JOINED.fullmatch(_without_kinds(between)) is not None
            narrowed = [r for r in current if r in inside]
            if current and not listed and narrowed:
                current = narrowed
                unclear = len(narrowed) > 1 and not mention.plural and unclear
            else:
                current += [r for r in inside if r not in current]
                unclear = unclear or (len(inside) > 1 and not mention.plural)
            end = mention.end
        return sorted(set(current), key=self.inventory.position.__getitem__), unclear and len(current) > 1

    def _ordinal(self, text: str, found: list[Resource]) -> list[Resource]:
        if len(found) < 2:
            return found
        several = re.search(r"\b(first|last)\s+(two|three|four|five|six|\d)\b", text, re.IGNORECASE)
        if several:
            number = int(several[2]) if several[2].isdigit() else lexicon.NUMBERS[several[2].lower()]
            return found[-number:] if several[1].lower() == "last" else found[:number]
        match = re.search(rf"\b({'|'.join(lexicon.ORDINALS)})\b(?! of all)", text, re.IGNORECASE)
        if match:
            position = lexicon.ORDINALS[match[1].lower()]
            return [found[position]] if position < len(found) else []
        return found

    @staticmethod
    def _data_disk(text: str, found: list[Resource]) -> list[Resource]:
        """`the data disk` of several disks of one machine: the one that is called data."""
        if len(found) < 2 or not re.search(r"\bdata (?:disk|drive)\b", text, re.IGNORECASE):
            return found
        called = Selector._called_data(found)
        return called if len(called) == 1 else found

    @staticmethod
    def _called_data(found: list[Resource]) -> list[Resource]:
        """The disks whose key calls them data, where all of these are disks."""
        if any(r.type != inv.DISK for r in found):
            return []
        return [r for r in found if r.keys and words(str(r.keys[0]))[-1].text == "data"]

    def _unknown(self, text: str, groups: list[tuple[list[Resource], Mention]]) -> Question | None:
        """A word that looks like a name and is none here; with the names that come close."""
        covered = [(m.start, m.end) for m in self.names.mentions(text)]
        for match in re.finditer(r"(?<![\w./=:-])[A-Za-z][\w]*(?:[-_.][\w]+)*", text):
            word = match[0]
            beyond = [w for w in words(word) if not any(a <= match.start() + w.start and match.start() + w.end <= b for a, b in covered)]
            if not beyond:
                continue
            partly = len(beyond) < len(words(word)) and ("-" in word or "_" in word)
            if partly and all(
                w.text in _PLAIN_WORDS or lexicon.singular(w.text) in lexicon.VOCABULARY or w.text in _GROUP_WORDS for w in beyond
            ):
                continue
            looks = bool(re.search(r"\d|[a-z][A-Z]", word) or "-" in word or "_" in word) and not _ORDINARY.fullmatch(word)
            close = self.close(word) if looks or _may_be_misspelt(word) else []
            if looks or close:
                named = [r for r in self.inventory.resources if set(close) & {r.azure_name, r.label, *(str(k) for k in r.keys)}]
                return Question(
                    f"There is nothing called {word} here. Which one do you mean?", {r.address: r.describe() for r in named[:8]}
                )
        return None

    def _at_odds(self, text: str, kinds: tuple[str, ...]) -> Question | None:
        """A name put together of two that fit nothing together: `web-us` where web is in another region than the subnet us."""
        for match in re.finditer(r"(?<![\w./=:-])[A-Za-z]\w*(?:-\w+)+(?![\w./=:-])", text):
            mentions = [m for m in self.names.mentions(text) if match.start() <= m.start and m.end <= match.end()]
            inside = [set(self.meant(m, kinds)) for m in mentions] if len(mentions) > 1 else []
            if any(inside) and not set.intersection(*inside):
                meant = [r for r in self.inventory.resources if any(r in resources for resources in inside)]
                return Question(
                    f"There is nothing called {match[0]} here. Which one do you mean?", {r.address: r.describe() for r in meant[:8]}
                )
        return None

    def strange(self, text: str, pool: list[Resource], known: Iterable[Mention] = ()) -> Question | None:
        """A word before a kind that should tell which, and is known neither here nor to anybody: `the webby machines`.

        `known` are mentions that do tell which.
        """
        for match in lexicon.KIND_PATTERN.finditer(text):
            before = re.search(
                r"\b(?:the|all|every|each|both|our|my|of|on|for|from|to)\s+(?P<word>[A-Za-z][\w-]+)\s+$",
                text[: match.start()],
                re.IGNORECASE,
            )
            word = before["word"].lower() if before else ""
            if (
                before
                and not any(m.start < before.end("word") and before.start("word") < m.end for m in known)
                and word not in _PLAIN_WORDS
                and word not in lexicon.VOCABULARY
                and not _ORDINARY.fullmatch(word)
                and word not in _GROUP_WORDS
            ):
                return self.ask(pool, f"I do not know what {word!r} means here.")
        return None

    def close(self, word: str) -> list[str]:
        known = {n.lower(): n for n in self.names.single_words}
        return [known[c] for c in difflib.get_close_matches(word.lower(), list(known), n=4, cutoff=0.74)]

    def _one_or_ask(self, found: list[Resource], many: bool, without: list[Resource], *, named: bool) -> Chosen:
        left = [r for r in found if r not in without]
        if not left:
            return self.ask(found, "Nothing is left after the exceptions.")
        if len(left) == 1 or many or without:
            return Selection(tuple(left), named or bool(without))
        return self.ask(left)

    def _answered(self, answer: str, kinds: tuple[str, ...], candidates: list[Resource]) -> Chosen:
        if answer.strip().lower() in ("all", "both", "every", "everything", "all of them"):
            return Selection(tuple(candidates), True)
        found: list[Resource] = []
        for part in answer.split(","):
            exact = self.inventory.by_address.get(part.strip())
            mentions = self.names.mentions(part)
            meant = [exact] if exact else [r for m in mentions for r in self.meant(m, kinds)]
            if not meant:
                return self.ask(candidates, f"{part.strip()!r} is none of the candidates.")
            found += [r for r in meant if r not in found]
        return Selection(tuple(found), True)

    @staticmethod
    def ask(candidates: list[Resource], lead: str = "") -> Question:
        text = " ".join(part for part in (lead, f"Which of these {len(candidates)} do you mean?") if part)
        return Question(text, {r.address: r.describe() for r in candidates})


_ORDINARY = re.compile(
    r"(?:on|non|re|spin|stand|lock|pay|load|multi|read|write|high|low|end|built|up|add|half|twenty|thirty)-[a-z-]+|"
    r"(?:data|os|boot)[-_](?:disks?|drives?|diag\w*|logs?)|(?:ipv|tls|sha|v|d|e|f|b|ds|x|t)\d[\w.]*|"
    r"(?:Standard|Basic|Premium|StandardSSD|UltraSSD|PremiumV2)_\w+|node-exporter|\d+\w*|"
    r"\w+-(?:end|demand|priority|only|wide|name|value|ssd|to|of|in|side|east|west|balanced|balancer)",
    re.IGNORECASE,
)
_PLAIN_WORDS = frozenset(
    str.split(
        """
    about above access actual address after again against agent allow also always application apply around attach available away
    back backup balance balancer bandwidth because before behind being below best better between bigger both bring bump call
    called cannot card change cheap cheaper check clean close cloud code come completely computer config configuration connect
    container content convert copy core cores cost create current data database deallocate default delete deny deploy desired
    detach diagnostics different direct disable disk disks double down drive drop each east enable enough entire environment even
    every everything evict eviction except existing expose extend extra fast faster files find finally fine firewall first from
    frontend full gets give goes going good group grow half hang hard have help here high hold hook host hour hours however
    images increase inside instance instead internet into keep kill know label large larger last later leave less letter level
    like limit linux list little live load local location lock logs long longer look lower machine machines make many maximum
    memory might money more most mount move much must name named need needs network never next night node nodes none north
    nothing number office older once only open operating other otherwise over pool port ports premium price priority private
    production public put rather reach read really reboot reduce region regular relabel remove rename replace resize resource
    resources restrict retire room root rule rules running same save scale second security serve server servers service services
    should show size sizes small smaller some something space spare spin spot stack stage staging standard stays step steps still
    stop storage subnet such switch system tags take terraform test than that their them then there these they thing things third
    this those three tier time today tomorrow total traffic turn type under until update upgrade used user users using value
    version very virtual volume want wants week well were west what when where which while whole will windows with without work
    worker workers world would write year your zone
    """
    )
)


_GROUP_WORDS = frozenset(
    str.split(
        "tier fleet cluster farm pool ones guys linux windows ubuntu debian azure vm vms sized our existing present current "
        "these those of other remaining whole entire only same the all every each both two three four five six a an any new "
        "single first second third last"
    )
)


def _may_be_misspelt(word: str) -> bool:
    return (
        len(word) >= 4
        and word.islower()
        and word not in _PLAIN_WORDS
        and lexicon.singular(word) not in _PLAIN_WORDS
        and word not in lexicon.VOCABULARY
    )


def _without_kinds(text: str) -> str:
    return lexicon.KIND_PATTERN.sub("", text)


def is_ordinary(word: str) -> bool:
    """Whether a word, in lower case, is one that people use of anything, so that it names nothing."""
    one = lexicon.singular(word)
    return bool({word, one} & (_PLAIN_WORDS | _GROUP_WORDS | lexicon.KNOWN_WORDS)) or _ORDINARY.fullmatch(word) is not None
