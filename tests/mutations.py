"""Takes the rules of the guard away, one at a time, and tells which loss no test notices.

A rule is an element of a pack of policies, or an `if` that leads to a finding or a refusal. Each is deleted in memory, in a process of its
own that has everything but the guard loaded; nothing on disk changes.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.util
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
_GATE = ("tests/guard/test_gate.py", "tests/adversarial/test_static_gate.py")
_PLANS = ("tests/guard/test_policies.py", "tests/guard/test_blast.py", "tests/guard/test_cost.py", "tests/adversarial/test_policies.py")
# The tests that are asked about a file, the quickest first.
TESTS: dict[str, tuple[str, ...]] = {
    "guard/gate.py": _GATE,
    "guard/reads.py": _GATE,
    "guard/constructs.py": _GATE,
    "guard/tampering.py": ("tests/guard/test_tampering.py", "tests/adversarial/test_edits.py"),
    "guard/blast.py": _PLANS,
    "guard/check.py": ("tests/guard/test_verdict.py", *_PLANS),
    "guard/guard.py": ("tests/guard/test_tampering.py", *_PLANS),
    "guard/approval.py": (
        "tests/guard/test_approval.py",
        "tests/adversarial/test_approvals.py",
    ),
    "guard/cost/estimate.py": _PLANS,
    "guard/spec/in_force.py": ("tests/guard/test_spec.py",),
    "guard/spec/accepted.py": ("tests/guard/test_spec.py",),
    "guard/spec/examples.py": ("tests/guard/test_spec.py",),
    "store/audit.py": ("tests/store/test_audit.py", "tests/adversarial/test_audit.py"),
    **{
        f"guard/policies/{p.name}": _PLANS
        for p in (ROOT / "iac_agent/guard/policies").glob("*.py")
        if p.name not in ("__init__.py", "types.py")
    },
}
_LEADS = ("raise ", ".add(", "yield _finding", "found.append(", "found = [_opaque")
_HEAVY = ("pytest", "pydantic", "sqlalchemy", "tree_sitter_hcl", "yaml", "z3", "azure.identity", "iac_agent.errors")


@dataclass(frozen=True)
class Mutation:
    """A file of the package with one rule less."""

    file: str
    name: str
    source: str

    @property
    def module(self) -> str:
        return f"iac_agent.{self.file.removesuffix('.py').replace('/', '.')}"


def every() -> Iterator[Mutation]:
    """Every rule that can be taken away."""
    for file in TESTS:
        text = (ROOT / "iac_agent" / file).read_text("utf-8")
        lines = text.splitlines(keepends=True)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.If) and any(word in _source(lines, node.body) for word in _LEADS):
                yield Mutation(file, f"line {node.lineno}: if {ast.unparse(node.test)[:70]}", _without_test(lines, node))
            if isinstance(node, ast.Tuple):
                calls = [e for e in node.elts if isinstance(e, ast.Call) and ast.unparse(e.func) in ("Policy", "refused")]
                yield from (Mutation(file, ast.unparse(c.args[0]), _without(lines, c)) for c in calls)


def _source(lines: Sequence[str], body: Sequence[ast.stmt]) -> str:
    return "".join(lines[body[0].lineno - 1 : body[-1].end_lineno])


def _without_test(lines: Sequence[str], node: ast.If) -> str:
    """The file with a condition that never holds. Columns are bytes, as ast has them."""
    test = node.test
    data = [line.encode() for line in lines]
    first, last = test.lineno - 1, (test.end_lineno or test.lineno) - 1
    head, tail = data[first][: test.col_offset], data[last][test.end_col_offset :]
    return b"".join([*data[:first], head + b"False" + tail, *data[last + 1 :]]).decode()


def _without(lines: Sequence[str], call: ast.Call) -> str:
    """The file without an element of a tuple, with the comma behind it."""
    data = [line.encode() for line in lines]
    first, last = call.lineno - 1, (call.end_lineno or call.lineno) - 1
    head, tail = data[first][: call.col_offset], data[last][call.end_col_offset :].lstrip().removeprefix(b",")
    return b"".join([*data[:first], head + tail, *data[last + 1 :]]).decode()


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a text."""

    def __init__(self, mutation: Mutation) -> None:
        self.mutation = mutation

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        if name != self.mutation.module:
            return None
        origin = str(ROOT / "iac_agent" / self.mutation.file)
        return importlib.util.spec_from_loader(name, self, origin=origin)

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = str(ROOT / "iac_agent" / self.mutation.file)
        exec(compile(self.mutation.source, module.__file__, "exec"), module.__dict__)


def _tried(mutation: Mutation) -> None:
    """In a process of its own: the tests of the file, on the mutated package. Exits 0 when none notices."""
    sys.meta_path.insert(0, _Instead(mutation))
    os.chdir(ROOT)
    with open(os.devnull, "w") as quiet:
        os.dup2(quiet.fileno(), 1)
        os.dup2(quiet.fileno(), 2)
        import pytest

        code = pytest.main(["-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist", *TESTS[mutation.file]])
    os._exit(int(code))


def _is_noticed(mutation: Mutation) -> bool:
    process = multiprocessing.get_context("fork").Process(target=_tried, args=(mutation,))
    process.start()
    process.join(300)
    if process.is_alive():
        process.kill()
        return True
    return process.exitcode != 0


def run(only: str = "") -> tuple[int, list[str]]:
    """How many losses are noticed, and the names of those that are not. Raises RuntimeError where tests fail with nothing lost."""
    for name in _HEAVY:
        importlib.import_module(name)
    for name in [n for n in sys.modules if n.startswith("iac_agent.") and n != "iac_agent.errors"]:
        del sys.modules[name]
    mutations = [m for m in every() if only in f"{m.file} {m.name}"]
    asked = {TESTS[m.file]: m.file for m in mutations}
    whole = [Mutation(file, "nothing", (ROOT / "iac_agent" / file).read_text("utf-8")) for file in asked.values()]
    with ThreadPoolExecutor(2) as pool:
        failing = [m.file for m, seen in zip(whole, pool.map(_is_noticed, whole), strict=True) if seen]
        if failing:
            raise RuntimeError(f"the tests of {', '.join(failing)} fail with nothing taken away: run them first")
        noticed = list(pool.map(_is_noticed, mutations))
    missed = [f"{m.file}: {m.name}" for m, seen in zip(mutations, noticed, strict=True) if not seen]
    return len(mutations) - len(missed), missed


if __name__ == "__main__":
    caught, unnoticed = run(sys.argv[1] if len(sys.argv) > 1 else "")
    print(f"{caught} of {caught + len(unnoticed)} noticed")
    print("\n".join(unnoticed))
