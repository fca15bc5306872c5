"""Turns "this value, for these resources" into edits at the one place where each value is written.

If nobody else uses that place, it is changed there. If others do, the value of the resources asked for is split off: an argument of their
module call, a field of their for_each element, or an override by key. What cannot be split is a question.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from iac_agent.hcl import edits as e
from iac_agent.hcl.address import parse_path
from iac_agent.hcl.datafile import is_data_file
from iac_agent.hcl.document import Attribute, Document, is_literal, literal, unwrap
from iac_agent.hcl.evaluate import evaluate
from iac_agent.hcl.expressions import operands, pairs
from iac_agent.hcl.module import Module
from iac_agent.hcl.paths import node_at
from iac_agent.hcl.scope import is_not_nullable
from iac_agent.hcl.value import Place, Value
from iac_agent.planner.inventory import Inventory, Resource
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.writing.levels import Level, below, frame_at, key_at, levels_of, own_keys

_READS = re.compile(
    r"(?:tostring\(|tobool\()?(?:each\.value\.(\w+)|(?:coalesce|try)\(each\.value\.(\w+),.*\)|each\.value\[\"(\w+)\"\]|"
    r"lookup\(each\.value,\s*\"(\w+)\",.*\)|"
    r"each\.value\.(\w+) [!=]= null \?.*)\)?",
    re.DOTALL,
)


@dataclass
class Writer:
    """Collects edits for one request. Those before `applied` are in the inventory already, as if they were written."""

    inventory: Inventory
    edits: list[e.Edit] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    plumbed: dict[tuple[int, str, str], str] = field(default_factory=dict)
    applied: int = 0

    def add(self, edit: e.Edit) -> None:
        """Keep an edit once; one that replaces what an earlier one replaced already builds on the earlier one."""
        if edit in self.edits:
            return
        if isinstance(edit, e.SetAttribute) and edit.replacing:
            for position, held in enumerate(self.edits[self.applied :], self.applied):
                same = isinstance(held, e.SetAttribute) and (held.address, held.path, held.replacing) == (
                    edit.address,
                    edit.path,
                    edit.replacing,
                )
                if same and isinstance(held, e.SetAttribute) and edit.replacing in edit.value:
                    both = edit.value.replace(edit.replacing, held.value, 1)
                    self.edits[position] = e.SetAttribute(edit.address, edit.path, both, held.after, held.replacing)
                    return
        self.edits.append(edit)

    def settle(self) -> list[e.Edit]:
        """The edits not applied yet, with elements of one list from the last to the first, so that the others keep their places until
        they are reached. They count as applied from here on.
        """
        fresh = self.edits[self.applied :]
        removals = [x for x in fresh if isinstance(x, e.RemoveValue)]
        last_first = iter(sorted(removals, key=lambda x: (x.address, parse_path(x.path)[:-1], -int(parse_path(x.path)[-1]))))
        fresh = [next(last_first) if isinstance(x, e.RemoveValue) else x for x in fresh]
        self.edits[self.applied :] = fresh
        self.applied = len(self.edits)
        return fresh

    # --- scalars -------------------------------------------------------------------------------------------------------

    def set(self, targets: Iterable[Resource], path: str, value: Any, after: str = "") -> None:
        """Give every target `value` (Python data) at `path`. Raises Unsettled."""
        self.set_each(dict.fromkeys(targets, value), path, after)

    def set_whole(self, targets: list[Resource], path: str, value: Any) -> None:
        """The same, where the targets may feel it in other arguments too: in names that a region is part of."""
        instances = [r.instance for r in self.inventory.resources]
        for target in targets:
            held = target.instance.value(parse_path(path))
            if held is None or held.plain() == value:
                continue
            users = self.inventory.users
            place = next(
                (p for p in reversed(held.via) if p.editable and users.exclusive(p, instances, *{n for _, n in users.of(p)})), None
            )
            if place is None:
                raise Unsettled(self.shared(target, path, [r for r in self.inventory.siblings(target) if r not in targets]))
            self.write_at(place, value)

    def set_each(self, values: dict[Resource, Any], path: str, after: str = "") -> None:
        """Give each target its own value. Raises Unsettled."""
        changing = {t: v for t, v in values.items() if t.value(path) != v}
        for target, value in changing.items():
            same = [t for t, v in values.items() if v == value]
            self._set(target, same, path, value, after)

    def _set(self, target: Resource, targets: list[Resource], path: str, value: Any, after: str) -> None:
        held = target.instance.value(parse_path(path))
        if held is not None and held.via:
            place = self.exclusive(held, targets, path)
            if place is not None and not self._flip(target, targets, path, value):
                self.write_at(place, value)
            if place is not None:
                return
        if not self._flip(target, targets, path, value) and not self._as_own_field(target, targets, path, value):
            self.split(target, targets, path, literal(value), after)

    def _as_own_field(self, target: Resource, targets: list[Resource], path: str, value: Any) -> bool:
        """The field of the target's own for_each element that the expression reads first, where it is not set there yet."""
        name = path
        for level in reversed(levels_of(target.instance)):
            text = level.written(name)
            if self.put_field(target, targets, level, text, value):
                return True
            passed = re.fullmatch(r"var\.([\w-]+)", text.strip())
            if not passed:
                return False
            name = passed[1]
        return False

    def _flip(self, target: Resource, targets: list[Resource], path: str, value: Any) -> bool:
        """Change the condition of `cond ? a : b` instead of its branches, when the other branch is the value wanted."""
        node = node_at(target.block, parse_path(path))
        if node is None or unwrap(node).type != "conditional":
            return False
        frame, steps = target.instance.frame, parse_path(path)
        test, then, other = operands(unwrap(node))
        condition = evaluate(frame, test, (*steps, "@0"))
        if not isinstance(condition.data, bool):
            return False
        branch = other if condition.data else then
        if evaluate(frame, branch, (*steps, "@1")).plain() != value:
            level, read = levels_of(target.instance)[-1], target.block.document.text(branch)
            if value is None or not _READS.fullmatch(read.strip()) or not self.put_field(target, targets, level, read, value):
                return False
        return self.set_condition(target, targets, condition, target.block.document.text(test))

    def set_condition(self, target: Resource, targets: list[Resource], condition: Value, source: str) -> bool:
        """Turn a boolean that a condition reads: where it is written for the targets alone, or as a field of their own element."""
        instances = [t.instance for t in targets]
        for place in reversed(condition.via):
            names = {n for _, n in self.inventory.users.of(place)}
            ours = not is_type_default(place) or set(self.inventory.siblings(target)) <= set(targets)
            if ours and place.editable and not condition.why and self.inventory.users.exclusive(place, instances, *names):
                self.write_at(place, not condition.data)
                return True
        if self.put_field(target, targets, levels_of(target.instance)[-1], source, not condition.data):
            return True
        alone = [r for r in self.inventory.siblings(target) if r.instance.scope is target.instance.scope] == [target]
        named = re.fullmatch(r"var\.[\w-]+", source.strip())
        return bool(named and alone and target.instance.scope.prefix) and self.give(target, source.strip(), not condition.data)

    def put_field(self, target: Resource, targets: list[Resource], level: Level, source: str, value: Any) -> bool:
        """Set the field of the target's own for_each element that `source` reads before anything else."""
        match = _READS.fullmatch(source.strip())
        if match is None or not isinstance(level.key, str):
            return False
        home = self._element_of(target, level)
        alike = [r for r in below(self.inventory, level, target) if key_at(r, level) == key_at(target, level)]
        reached = {r for r in alike if self._element_of(r, level) == home}
        if home is None or not reached <= set(targets):
            return False
        self.add(e.PutKey(home.address, home.path, next(g for g in match.groups() if g), literal(value)))
        return True

    def exclusive(self, value: Value, targets: list[Resource], path: str) -> Place | None:
        """The place nearest to where the value is written that only the targets use."""
        name = str(parse_path(path)[0])
        instances = [t.instance for t in targets]
        for place in reversed(value.via):
            shared = is_type_default(place) or self._is_default_of_many(place) or _is_in_block(place, targets[0])
            for_all = not shared or set(self.inventory.siblings(targets[0])) <= set(targets)
            usable = place.editable and "@template" not in place.path and for_all
            if usable and self.inventory.users.exclusive(place, instances, name):
                return place
        return None

    def give(self, target: Resource, source: str, value: Any) -> bool:
        """Let what an expression of the target reads (`var.public`, `each.value.public`) be `value` for its module call or element.

        What else is made there may feel it too. False, with nothing written, where it cannot be said for them alone.
        """
        levels, scope = levels_of(target.instance), target.instance.scope
        kind, _, name = source.rpartition(".")
        if kind == "each.value":
            return self.put_field(target, [target], levels[-1], source, value)
        held = scope.variable(name) if kind == "var" else scope.local(name)
        around = [target, *self.inventory.referred_by(target)]
        mates = [r for r in self.inventory.resources if r.address.startswith(scope.prefix)] if scope.prefix else around
        known = {r.address for r in mates}
        for place in reversed(held.via):
            inside = place.address.startswith("module.") or is_type_default(place)
            if place.editable and not inside and {a for a, _ in self.inventory.users.of(place)} <= known:
                self.write_at(place, value)
                return True
        if kind == "local" or len(levels) == 1:
            return False
        passed = name
        for level in reversed(levels[:-1]):
            text = level.written(passed)
            if self.put_field(target, mates, level, text, value):
                return True
            above = re.fullmatch(r"var\.([\w-]+)", text.strip())
            if above is None:
                break
            passed = above[1]
        self.split_at(target, mates, levels[-2], name, literal(value))
        return True

    def _is_default_of_many(self, place: Place) -> bool:
        """Whether it is what a module that is called several times gives a variable that a call leaves out."""
        module, dot, _ = place.address.rpartition(".variable.")
        if not dot or place.path != "default":
            return False
        configuration = self.inventory.configuration
        directory = next((m.directory for m in configuration.root.modules if m.prefix == f"{module}."), None)
        return sum(s.module.directory == directory for s in configuration.scopes) > 1

    def write_at(self, place: Place, value: Any) -> None:
        """Put `value` (Python data) at a place that is known to be the right one."""
        replacing = "" if _is_literal(place) else place.source
        self.add(e.SetAttribute(place.address, place.path, literal(value), replacing=replacing))

    # --- splitting one off -----------------------------------------------------------------------------------------------

    def split(self, target: Resource, targets: list[Resource], path: str, source: str, after: str = "") -> None:
        """Write `source` where it reaches the targets and nobody else: at the block, by an override, or further up."""
        self.split_at(target, targets, levels_of(target.instance)[-1], path, source, after)

    def split_at(self, target: Resource, targets: list[Resource], level: Level, path: str, source: str, after: str = "") -> None:
        if set(below(self.inventory, level, target)) <= set(targets):
            self.add(e.SetAttribute(level.address, path, source, after, level.written(path)))
            return
        keys = own_keys(self.inventory, target, targets, level)
        if keys is None:
            self._through_variable(target, targets, level, path, source, after)
        elif not self._as_field(target, targets, level, path, source, after):
            self._override(level, keys, path, source, after)

    def _override(self, level: Level, keys: list[str | int], path: str, source: str, after: str) -> None:
        """A value for some keys of a block with for_each or count."""
        now = self._pending(level, path) or level.written(path) or self._absent(level, path)
        known = re.fullmatch(r"lookup\((\{.*\}), (?:each\.key|tostring\(count\.index\)), (.*)\)", now, re.DOTALL)
        if known:
            for key in keys:
                self.add(e.PutKey(level.address, f"{path}.@0", str(key), source))
            return
        self.add(e.SetAttribute(level.address, path, level.by_key(keys, source, now), after, level.written(path)))

    def _absent(self, level: Level, path: str) -> str:
        """What stands for an argument that is not written, as source. Raises Unsettled where nothing does.

        A module's variable takes null for a value unless it is declared not nullable.
        """
        child = next((m for m in self.inventory.configuration.root.modules if m.call == level.block), None)
        declared = child.variable(path) if child is not None else None
        if declared is None or is_not_nullable(declared):
            return "null"
        default = declared.attributes.get("default")
        source = declared.document.text(default.value) if default is not None else ""
        if default is None or not is_literal(default.value):
            raise Unsettled(Refusal(f"{declared.where} has no plain default to keep for the other calls; set {path} there first."))
        return source

    def _pending(self, level: Level, path: str) -> str:
        """What this request makes of an expression, when it has changed it already."""
        return next(
            (
                x.value
                for x in reversed(self.edits[self.applied :])
                if isinstance(x, e.SetAttribute) and (x.address, x.path) == (level.address, path)
            ),
            "",
        )

    def _as_field(self, target: Resource, targets: list[Resource], level: Level, path: str, source: str, after: str) -> bool:
        """A field of the for_each elements, with an optional attribute in the variable's type where there is one."""
        name = path.replace(".", "_")
        if not isinstance(level.key, str) or "for_each" not in level.block.attributes:
            return False
        homes = {t: self._element_of(t, level) for t in targets if t in below(self.inventory, level, target)}
        if any(h is None for h in homes.values()):
            return False
        if level.written(path):
            return False
        declared = self._declared_type(level)
        if declared is None and any(h is not None and h.address.startswith("variable.") for h in homes.values()):
            return False
        element = frame_at(target, level).element
        taken = declared[2] if declared is not None else element.data.keys() if element is not None and element.known else ()
        if name in taken and level.block.type == "resource":
            name = f"{level.block.labels[0].rsplit('_', 1)[-1]}_{name}"
        absent = self._absent(level, path)
        for address, inside, known in self._declared_types(level) if declared is not None else ():
            if name not in known:
                default = "" if absent == "null" else f", {absent}"
                self.add(e.PutKey(address, inside, name, f"optional({_type_of(source)}{default})"))
        for home in homes.values():
            assert home is not None
            self.add(e.PutKey(home.address, home.path, name, source))
        read = f"each.value.{name}" if declared is not None else f"try(each.value.{name}, {absent})"
        self.add(e.SetAttribute(level.address, path, read, after))
        return True

    def _element_of(self, target: Resource, level: Level) -> Place | None:
        """Where the for_each element of a target is written, when it is a literal map that nothing else is made from."""
        element = frame_at(target, level).element
        if element is None or not isinstance(element.data, dict):
            return None
        place = home_of(element)
        return place if place is not None and place.editable else None

    def _declared_types(self, level: Level) -> Iterator[tuple[str, str, frozenset[str]]]:
        """The object type of the variable that for_each reads, and of those that module calls further up pass on into it."""
        attribute: Attribute | None = level.block.attributes["for_each"]
        document, module = level.block.document, level.scope.module
        while attribute is not None and (passed := re.fullmatch(r"var\.([\w-]+)", document.text(attribute.value).strip())):
            declared = self._object_type(module, passed[1])
            if declared is not None:
                yield declared
            if module.call is None:
                return
            attribute, document = module.call.attributes.get(passed[1]), module.call.document
            module = next(m for m in self.inventory.configuration.root.modules if m.path == module.path[:-1])

    def _declared_type(self, level: Level) -> tuple[str, str, frozenset[str]] | None:
        """Address, path and known fields of the object type when for_each is a typed variable."""
        attribute = level.block.attributes["for_each"]
        match = re.fullmatch(r"var\.([\w-]+)", level.block.document.text(attribute.value).strip())
        return self._object_type(level.scope.module, match[1]) if match else None

    @staticmethod
    def _object_type(module: Module, name: str) -> tuple[str, str, frozenset[str]] | None:
        declared = module.variable(name)
        if declared is None or "type" not in declared.attributes:
            return None
        outer = unwrap(declared.attributes["type"].value)
        inner = operands(outer)
        if outer.type != "function_call" or not inner or unwrap(inner[0]).type != "function_call":
            return None
        fields = operands(inner[0])
        if not fields or unwrap(fields[0]).type != "object":
            return None
        return f"{module.prefix}variable.{name}", "type.@0.@0", frozenset(pairs(declared.document, unwrap(fields[0])))

    def _through_variable(self, target: Resource, targets: list[Resource], level: Level, path: str, source: str, after: str) -> None:
        """A module that others call too gets a variable for the value; the call of the targets sets it."""
        above = self.above(target, targets, level, path)
        now = level.written(path)
        if level.key is not None and above.key is None and not set(below(self.inventory, above, target)) <= set(targets):
            self._through_map(target, targets, level, above, path, source, after)
            return
        known = re.fullmatch(r"(?:coalesce\()?var\.([\w-]+)(?:, .*\))?", now, re.DOTALL)
        name = known[1] if known else path.replace(".", "_")
        plumbed = (level.block.node.start_byte, str(level.block.document.path), path)
        if plumbed in self.plumbed:
            name = self.plumbed[plumbed]
        elif not known:
            self.plumbed[plumbed] = name
            if f"variable.{name}" in level.scope.module.index:
                name = self.plumbed[plumbed] = f"{level.block.labels[-1]}_{name}"
            default = now if now and "each." not in now and "var." not in now and "local." not in now else "null"
            read = f"var.{name}" if default != "null" or not now else f"coalesce(var.{name}, {now})"
            self.declare(level, name, _type_of(source), default)
            self.add(e.SetAttribute(level.address, path, read, after, now))
        self.split_at(target, targets, above, name, source)

    def _through_map(
        self, target: Resource, targets: list[Resource], level: Level, above: Level, path: str, source: str, after: str
    ) -> None:
        """A module that others call too, and that makes several: its variable holds values by key, which the targets' call sets."""
        if len({r.instance.scope.module for r in below(self.inventory, above, target)}) > 1 or above.scope.module.path:
            raise self.undivided(target, targets, level, path)
        now = level.written(path) or self._absent(level, path)
        name = f"{path.replace('.', '_')}_by_{'key' if isinstance(level.key, str) else 'index'}"
        if f"var.{name}" not in now:
            self.declare(level, name, f"map({_type_of(source)})", "{}")
            index = level.index if isinstance(level.key, str) else f"tostring({level.index})"
            self.add(e.SetAttribute(level.address, path, f"lookup(var.{name}, {index}, {now})", after, level.written(path)))
        for key in {str(key_at(t, level)) for t in targets if t in below(self.inventory, above, target)}:
            self.add(e.PutKey(above.address, name, key, source))

    def above(self, target: Resource, targets: list[Resource], level: Level, path: str) -> Level:
        """The call around a level that cannot tell the targets from others. Raises Unsettled in the root module."""
        levels = levels_of(target.instance)
        position = next(i for i, x in enumerate(levels) if x.block == level.block)
        if position == 0:
            raise self.undivided(target, targets, level, path)
        return levels[position - 1]

    def declare(self, level: Level, name: str, kind: str, default: str) -> None:
        """A new variable in the module of a level."""
        if default == "null":
            block = f'variable "{name}" {{\n  type    = {kind}\n  default = null\n}}\n'
        else:
            block = f'variable "{name}" {{\n  type     = {kind}\n  default  = {default}\n  nullable = false\n}}\n'
        self.add(e.AddTopLevel(f"{level.scope.module.prefix}variable.{name}", block, "variables.tf"))

    def undivided(self, target: Resource, targets: list[Resource], level: Level, path: str) -> Unsettled:
        return Unsettled(self.shared(target, path, [r for r in below(self.inventory, level, target) if r not in targets]))

    def shared(self, target: Resource, path: str, others: list[Resource]) -> Question:
        """The question when a value cannot be given to the targets alone."""
        listed = ", ".join(r.address for r in others[:5])
        return Question(
            f"{path} of {target.address} is shared with {listed}. Change it for all of them?",
            {"all": f"{target.address} and {len(others)} more"},
        )

    # --- removing a value ----------------------------------------------------------------------------------------------

    def unset(self, targets: list[Resource], path: str, otherwise: Any = None) -> None:
        """Remove the argument where only the targets have it; else set it to null for them. `otherwise` is what its absence means."""
        for target in targets:
            held = target.instance.value(parse_path(path))
            if held is None or (held.known and held.data is None):
                continue
            if self._flip(target, targets, path, otherwise) or self._flip(target, targets, path, None):
                continue
            level = levels_of(target.instance)[-1]
            if set(below(self.inventory, level, target)) <= set(targets):
                self.add(e.RemoveAttribute(level.address, path))
                continue
            place = self.exclusive(held, targets, path)
            if place is not None and place.address != level.address:
                self.write_at(place, None)
            else:
                self.split(target, targets, path, "null")


def home_of(value: Value) -> Place | None:
    """Where the literal collection behind a value stands, through references and type defaults."""
    place = value.via[-1] if value.via else None
    if place is None or value.why:
        return None
    return place


def _is_in_block(place: Place, resource: Resource) -> bool:
    """Whether it is a literal in the expressions of a repeated block: a fallback that instances without a value of their own get."""
    return resource.instance.index is not None and place.address == resource.block_address and ".@" in place.path


def is_type_default(place: Place) -> bool:
    """Whether it is the default of an optional attribute in a variable's type: what elements that are not written yet will get."""
    return place.address.split(".")[-2:-1] == ["variable"] and place.path.startswith("type.")


def _is_literal(place: Place) -> bool:
    """Whether the source at a place is a value of its own (data files hold nothing else)."""
    if not place.source or is_data_file(place.address):
        return True
    document = Document("the value", f"x = {place.source}\n".encode())
    return is_literal(document.attributes_of(document.body)["x"].value)


def _type_of(source: str) -> str:
    if source in ("true", "false"):
        return "bool"
    if re.fullmatch(r"-?[\d.]+", source):
        return "number"
    if source.startswith("["):
        return "list(number)" if re.fullmatch(r"\[[-\d., ]+\]", source) else "list(string)"
    return "map(string)" if source.startswith("{") else "string"
