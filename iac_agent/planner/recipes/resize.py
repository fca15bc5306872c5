"""VM sizes: by name, by cores, by cores and memory, or a step up or down in the same series."""

from __future__ import annotations

import re

from iac_agent.planner import sizes
from iac_agent.planner.inventory import MACHINES, SCALE_SETS, Resource
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.sizes import Size
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World, listed

_UP = (
    r"\b(?:up(?:size|grade)?|bigger|larger|beef(?:ier)?|bump|scale up|increase|more (?:cores|cpu|power|memory|ram|oomph|"
    r"horsepower)|higher|step up|next size|double|grow|stronger)\b"
)
_DOWN = (
    r"\b(?:down(?:size|grade)?|smaller|scale down|shrink|decrease|reduce|fewer cores|less (?:cores|cpu|power|memory)|lower|"
    r"step down|halve|half|cheaper)\b"
)
_STEP = r"\b(?:sizes?|steps?|notch|tier|level|bigger|smaller|larger|up|down|double|halve|half)\b"
_TWICE = r"\b(?:double|twice)\b"
_HALF = r"\b(?:halve|half)\b"
_MEMORY = re.compile(r"(?<![\w.])(\d+)\s*-?(?:gib|gb|gigs?|g)\b(?:\s*(?:of\s+)?(?:memory|ram|mem)\b)?", re.IGNORECASE)
_CORES = re.compile(r"\b(?:\d+|two|four|eight|sixteen|thirty-two)\s*-?\s*(?:v?cpus?|v?cores?)\b", re.IGNORECASE)
_VERBS = re.compile(
    rf"{_UP}|{_DOWN}|\b(?:resize|size[sd]?|of memory|ram|memory|cores?|v?cpus?|step|steps|notch|enough|plenty|standard_\w+)\b",
    re.IGNORECASE,
)


class Resize:
    id = "resize"
    title = "resize a VM or scale set: by size, by cores and memory, or a step up or down"
    examples: tuple[str, ...] = (
        "resize vm-web to Standard_D4s_v5",
        "web needs 8 cores",
        "vm-web one size up",
        "db could use 4 cores and 32 GB of memory",
    )

    def claims(self, wish: Wish, world: World) -> bool:
        if wish.size or wish.cores or (_MEMORY.search(wish.text) and wish.has(r"\b(?:memory|ram)\b")):
            return True
        if wish.has(r"\bdisks?\b|\bdrives?\b"):
            return False
        if wish.has(r"\b(?:twice|half|double)(?: as many| as much| the)? (?:number of )?(?:cores|v?cpus|memory|ram)\b"):
            return True
        return wish.has(r"\b(?:resize|upsize|downsize|beef)\b") or (wish.has(f"{_UP}|{_DOWN}") and wish.has(_STEP))

    def plan(self, wish: Wish, world: World) -> None:
        text = wish.without(*wish.size_words, _CORES, _VERBS, _MEMORY)
        only_sets = re.search(r"\bscale ?sets?\b|\bvmss\b", wish.positive, re.IGNORECASE) and not wish.has(
            r"\b(?:hosts?|vms?|servers?|machines?)\b"
        )
        kinds = SCALE_SETS if only_sets else MACHINES + SCALE_SETS
        if wish.size and sizes.get(wish.size) is None:
            self._require_known(wish.size)
        targets = list(world.choose(wish, kinds, text))
        wanted = {t: self._wanted(wish, t) for t in targets}
        changing = {t: s for t, s in wanted.items() if str(t.value(_name(t))).lower() != s.lower()}
        if not changing:
            raise Unsettled(Refusal(f"{listed(targets)} is {next(iter(wanted.values()))} already."))
        for kind in dict.fromkeys(_name(t) for t in changing):
            world.writer.set_each({t: s for t, s in wanted.items() if _name(t) == kind}, kind)
        for target, size in changing.items():
            world.expect([target], _name(target), size)
            world.say(f"Resize {listed([target])} from {target.value(_name(target))} to {size}.")
        world.touch(changing)
        world.notes.append("A resize restarts the machine.")

    @staticmethod
    def _require_known(name: str) -> None:
        near = sizes.nearest(name)
        raise Unsettled(
            Question(f"There is no VM size {name} that I know.", dict.fromkeys(near, ""))
            if near
            else Refusal(f"There is no VM size {name}.")
        )

    def _wanted(self, wish: Wish, target: Resource) -> str:
        if wish.size:
            known = sizes.get(wish.size)
            return known.name if known else wish.size
        present = sizes.get(str(target.value(_name(target))))
        if present is None:
            raise Unsettled(Question(f"Which size should {target.address} get? I do not know its present one.", {}))
        memory = _MEMORY.search(wish.text)
        if wish.cores and memory:
            return self._fitting(target, present, wish.cores, float(memory[1]))
        if wish.cores:
            return self._cores(target, present, wish.cores)
        if memory and wish.has(r"\b(?:memory|ram)\b"):
            return self._memory(target, present, float(memory[1]))
        if wish.has(_TWICE) and wish.has(r"\b(?:memory|ram)\b"):
            return self._memory(target, present, present.memory * 2)
        if wish.has(_TWICE):
            return self._cores(target, present, present.cores * 2)
        if wish.has(_HALF):
            return self._cores(target, present, present.cores // 2)
        if not wish.has(_UP) and not wish.has(_DOWN):
            raise Unsettled(
                Question(
                    f"Which size should {target.address} get?",
                    {s.name: f"{s.cores} cores, {s.memory:g} GB" for s in sizes.in_series(present)},
                )
            )
        by = _steps(wish.text)
        found = sizes.step(present, -by if wish.has(_DOWN) and not wish.has(r"\b(?:bigger|larger)\b") else by)
        if found is None:
            raise Unsettled(Refusal(f"{present.name} is the last of its series that I know; name a size."))
        return found.name

    @staticmethod
    def _cores(target: Resource, present: Size, cores: int) -> str:
        found = sizes.with_cores(present, cores)
        if found is None:
            near = {s.name: f"{s.cores} cores, {s.memory:g} GB" for s in sizes.in_series(present)}
            raise Unsettled(Question(f"The series of {present.name} ({target.address}) has no size with {cores} cores. Which one?", near))
        return found.name

    @staticmethod
    def _memory(target: Resource, present: Size, memory: float) -> str:
        """The size of the same series with this memory; else those with as many cores."""
        series = [s for s in sizes.in_series(present) if s.memory == memory]
        found = series or sizes.with_cores_and_memory(present, present.cores, memory)
        if not found:
            near = {
                s.name: f"{s.cores} cores, {s.memory:g} GB"
                for s in sizes.all_sizes().values()
                if s.memory == memory and s.version == present.version
            }
            raise Unsettled(Question(f"Which size with {memory:g} GB should {target.address} get?", near))
        return found[0].name

    @staticmethod
    def _fitting(target: Resource, present: Size, cores: int, memory: float) -> str:
        found = sizes.with_cores_and_memory(present, cores, memory)
        if not found:
            raise Unsettled(Refusal(f"I know no size with {cores} cores and {memory:g} GB for {target.address}."))
        return found[0].name


def _name(target: Resource) -> str:
    return "sku" if target.type in SCALE_SETS else "size"


def _steps(text: str) -> int:
    match = re.search(r"\b(two|2|three|3)\s+(?:sizes|steps|notches)\b", text, re.IGNORECASE)
    return {"two": 2, "2": 2, "three": 3, "3": 3}[match[1].lower()] if match else 1
