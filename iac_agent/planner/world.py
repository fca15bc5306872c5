"""What a recipe works with: the inventory, the selector, the writer, and what was asked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from iac_agent.hcl.changeset import apply_edits
from iac_agent.planner.inventory import Inventory, Resource
from iac_agent.planner.protocol import Context, Expectation, Question, Refusal, Unsettled
from iac_agent.planner.selection import Selector
from iac_agent.planner.wish import Wish
from iac_agent.planner.writing.write import Writer


@dataclass
class World:
    """State of understanding one request: what was decided for the wishes before is in `last` and in the writer's edits."""

    context: Context
    inventory: Inventory
    selector: Selector
    writer: Writer
    last: tuple[Resource, ...] = ()
    reasons: list[str] = field(default_factory=list)
    expects: list[Expectation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    touches: list[str] = field(default_factory=list)
    how: list[str] = field(default_factory=list)
    luns: dict[str, set[int]] = field(default_factory=dict)
    priorities: dict[str, set[int]] = field(default_factory=dict)
    rule_names: set[str] = field(default_factory=set)

    @classmethod
    def build(cls, context: Context) -> World:
        inventory = Inventory.build(context.root, context.state, context.given)
        about = tuple(r for a in context.about if (r := inventory.by_address.get(a)) is not None)
        return cls(context, inventory, Selector(inventory), Writer(inventory), about)

    # --- what is written already -----------------------------------------------------------------------------------------

    def advance(self) -> list[Resource]:
        """Go on as if the edits so far were written, and return the resources that are new. Raises an HclError when they do not apply."""
        fresh = self.writer.settle()
        if not fresh:
            return []
        known, root = self.inventory.by_address, self.context.root
        files = {path: change.after for path, change in apply_edits(root, fresh, prove=False).files.items()}
        self.context = replace(self.context, root=root.with_edits({**root.overrides, **files}))
        self.inventory = self.writer.inventory = Inventory.build(self.context.root, self.context.state, self.context.given)
        self.selector = Selector(self.inventory)
        self.last = tuple(self.inventory.by_address.get(r.address, r) for r in self.last)
        return [r for r in self.inventory.resources if r.address not in known]

    def trial(self) -> World:
        """The same world, in which something may be tried out: nothing of it is felt here before `adopt`."""
        writer = replace(self.writer, edits=[*self.writer.edits], notes=[*self.writer.notes], plumbed=dict(self.writer.plumbed))
        return replace(
            self,
            writer=writer,
            reasons=[*self.reasons],
            expects=[*self.expects],
            notes=[*self.notes],
            touches=[*self.touches],
            how=[*self.how],
            luns={address: {*taken} for address, taken in self.luns.items()},
            priorities={address: {*taken} for address, taken in self.priorities.items()},
            rule_names={*self.rule_names},
        )

    def adopt(self, trial: World) -> None:
        """Let what was tried out be so."""
        self.__dict__.update(trial.__dict__)

    # --- what a wish means -----------------------------------------------------------------------------------------------

    def choose(
        self, wish: Wish, kinds: tuple[str, ...], text: str | None = None, *, plural: bool = False, nothing: str = ""
    ) -> tuple[Resource, ...]:
        """The resources a wish means; `it` and silence mean those of the wish before. Raises Unsettled."""
        text = wish.text if text is None else text
        if self.last and not self.context.answer and self._looks_back(text, kinds):
            related = [x for r in self.last for x in ([r] if r.type in kinds else self.inventory.related(r, kinds)) if x.type in kinds]
            if related:
                return tuple(dict.fromkeys(related))
        chosen = self.selector.select(text, kinds, self.context.answer, plural=plural)
        if chosen is None:
            raise Unsettled(Refusal(nothing or f"There is no {_kind_name(kinds)} here."))
        if isinstance(chosen, Question):
            raise Unsettled(chosen)
        self.last = chosen.resources
        self.how.append(f"{wish.text!r} means {', '.join(r.address for r in chosen.resources)}")
        return chosen.resources

    def _looks_back(self, text: str, kinds: tuple[str, ...]) -> bool:
        mentions = [m for m in self.selector.names.mentions(text) if any(self.selector.meant(m, kinds))]
        return not mentions

    def expect(self, resources: Iterable[Resource], path: str, value: object) -> None:
        self.expects += [Expectation(r.address, path, value) for r in resources]

    def touch(self, resources: Iterable[Resource | str]) -> None:
        self.touches += [r if isinstance(r, str) else r.address for r in resources]

    def followers(self) -> tuple[str, ...]:
        """What depends on what is touched, directly or not: Terraform may have to change it too."""
        touched = set(self.touches)
        pending = [r for r in self.inventory.resources if touched & {r.address, r.block_address}]
        found: dict[str, None] = {}
        while pending:
            for user in self.inventory.referred_by(pending.pop()):
                if user.address not in found:
                    found[user.address] = None
                    pending.append(user)
        return tuple(found)

    def say(self, reason: str) -> None:
        self.reasons.append(reason)


def listed(resources: Iterable[Resource]) -> str:
    """Addresses for a sentence."""
    found = [f"{r.address} ({r.azure_name})" if r.azure_name else r.address for r in resources]
    return ", ".join(found[:6]) + (f" and {len(found) - 6} more" if len(found) > 6 else "")


def _kind_name(kinds: tuple[str, ...]) -> str:
    """What the kinds are called in a sentence."""
    names = dict.fromkeys(re.sub(r"^azurerm_(?:linux_|windows_)?", "", k).replace("_", " ") for k in kinds)
    return " or ".join(list(names)[:3])
