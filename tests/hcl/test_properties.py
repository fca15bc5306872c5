"""Properties of edits over a corpus of HCL in many hands' styles: only the edit changes, it is what was asked, and the result parses."""

from __future__ import annotations

import functools
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iac_agent.errors import HclError, NotEditable, ValueElsewhere
from iac_agent.hcl.changeset import apply_edits
from iac_agent.hcl.document import BOM, Block, Document, is_literal, unwrap
from iac_agent.hcl.edits import AddBlock, AppendItem, DropKey, Edit, PutKey, RemoveAttribute, RemoveResource, SetAttribute
from iac_agent.terraform.binary import find
from tests.conftest import FIXTURES

CORPUS = sorted((FIXTURES / "hcl").glob("*.tf"))
META = {"count", "for_each", "provider", "depends_on", "source", "version"}


@dataclass(frozen=True)
class Place:
    """A top-level block of the corpus that has an address of its own."""

    file: Path
    address: str


@functools.cache
def document(file: Path) -> Document:
    return Document.read(file)


def block_at(place: Place) -> Block:
    return next(b for b in document(place.file).blocks if address_of(b) == place.address)


def address_of(block: Block) -> str:
    if block.type == "resource" and len(block.labels) == 2:
        return ".".join(block.labels)
    return f"module.{block.labels[0]}" if block.type == "module" and block.labels else ""


@functools.cache
def places() -> list[Place]:
    found = []
    for file in CORPUS:
        addresses = [address_of(b) for b in document(file).blocks]
        found += [Place(file, a) for a in addresses if a and addresses.count(a) == 1]
    return found


def edited(place: Place, edit: Edit) -> tuple[bytes, bytes]:
    """The file before and after, edited alone in a directory."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "main.tf"
        target.write_bytes(place.file.read_bytes())
        outcome = apply_edits(Path(folder), [edit])
        assert target.read_bytes() == place.file.read_bytes()
        (change,) = outcome.files.values()
        assert change.before is not None
        return change.before, change.after


def squeezed(data: bytes) -> bytes:
    """Without the blanks that alignment may change."""
    return re.sub(rb"[ \t]+", b"", data)


def touched(before: bytes, after: bytes) -> tuple[list[bytes], list[bytes]]:
    """The lines that differ, cut to the smallest region."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return old[head : len(old) - tail], new[head : len(new) - tail]


def check_kept(before: bytes, after: bytes) -> None:
    assert after.startswith(BOM) == before.startswith(BOM)
    assert after.endswith(b"\n") == before.endswith(b"\n") or not after.strip()
    old_crlf, new_crlf = before.count(b"\r\n"), after.count(b"\r\n")
    if old_crlf and old_crlf == before.count(b"\n"):
        assert new_crlf == after.count(b"\n"), "a file with Windows line ends keeps them"
    if not old_crlf:
        assert b"\r" not in after.replace(b"\r", b"", before.count(b"\r"))
    Document("after", after)


SOME = settings(max_examples=90, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def test_the_corpus_is_large_and_varied() -> None:
    assert len(CORPUS) >= 150
    assert sum(b"\r\n" in f.read_bytes() for f in CORPUS) >= 20
    assert sum(f.read_bytes().startswith(BOM) for f in CORPUS) >= 5
    assert sum(not f.read_bytes().endswith(b"\n") for f in CORPUS) >= 10
    assert len(places()) > 300


@SOME
@given(st.data())
def test_setting_a_value_changes_that_value_only(data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(places()))
    literals = [a for a in block_at(place).attributes.values() if is_literal(a.value) and a.name not in META]
    if not literals:
        return
    attribute = data.draw(st.sampled_from(literals))
    value = data.draw(st.sampled_from(['"changed"', "42", "true", '["a", "b"]', '{ a = "b" }', "null"]))
    if document(place.file).text(attribute.value) == value:
        return
    before, after = edited(place, SetAttribute(place.address, attribute.name, value))
    check_kept(before, after)
    shift = len(BOM) if before.startswith(BOM) else 0
    start, end = attribute.value.start_byte + shift, attribute.value.end_byte + shift
    assert squeezed(after) == squeezed(before[:start] + value.encode() + before[end:])
    old, new = touched(before, after)
    assert len(new) <= len(old) + value.count("\n")
    assert not any(line.strip() == b"" for line in new), "blank lines end the run that may be realigned"


@SOME
@given(st.data())
def test_a_new_argument_adds_one_line(data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(places()))
    block = block_at(place)
    after_name = data.draw(st.sampled_from(["", *block.attributes]))
    name = data.draw(st.sampled_from(["zz", "a_rather_long_argument_name"]))
    before, after = edited(place, SetAttribute(place.address, name, '"new"', after=after_name))
    check_kept(before, after)
    marker = f'{name}="new"'.encode()
    assert squeezed(after).count(marker) == squeezed(before).count(marker) + 1
    without = squeezed(after).replace(marker, b"", 1)
    assert re.sub(rb"\s+", b"", without) == re.sub(rb"\s+", b"", before)


@SOME
@given(st.data())
def test_removing_what_was_added_restores_the_file(data: st.DataObject) -> None:
    place = data.draw(st.sampled_from([p for p in places() if block_at(p).attributes]))
    anchor = data.draw(st.sampled_from(list(block_at(place).attributes)))
    before, added = edited(place, SetAttribute(place.address, "zz", "1", after=anchor))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.tf").write_bytes(added)
        (change,) = apply_edits(Path(folder), [RemoveAttribute(place.address, "zz")]).files.values()
    assert change.after == before or b"{" in touched(before, change.after)[0][0], "one-line blocks stay open"


@SOME
@given(st.data())
def test_lists_and_maps(data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(places()))
    attributes = [a for a in block_at(place).attributes.values() if unwrap(a.value).type in ("tuple", "object")]
    if not attributes:
        return
    attribute = data.draw(st.sampled_from(attributes))
    if unwrap(attribute.value).type == "tuple":
        edit: Edit = AppendItem(place.address, attribute.name, '"added-item"')
        marker = b'"added-item"'
    else:
        edit = PutKey(place.address, attribute.name, data.draw(st.sampled_from(["added", "added key"])), '"added-item"')
        marker = b'"added-item"'
    try:
        before, after = edited(place, edit)
    except ValueElsewhere:
        return
    check_kept(before, after)
    assert after.count(marker) == before.count(marker) + 1
    if isinstance(edit, PutKey):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "main.tf").write_bytes(after)
            (change,) = apply_edits(Path(folder), [DropKey(place.address, attribute.name, edit.key)]).files.values()
        assert re.sub(rb"[\s,]+", b"", change.after) == re.sub(rb"[\s,]+", b"", before)


@SOME
@given(st.data())
def test_blocks_come_and_resources_go(data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(places()))
    before, after = edited(place, AddBlock(place.address, "added_block", (("x", "1"), ("long_name", "2"))))
    check_kept(before, after)
    assert b"added_block {" in after
    bare = re.sub(rb"\s+", b"", after).replace(b"added_block{x=1long_name=2}", b"", 1)
    assert bare == re.sub(rb"\s+", b"", before)
    before, gone = edited(place, RemoveResource(place.address))
    check_kept(before, gone)
    start, end = block_at(place).node.start_byte, block_at(place).node.end_byte
    plain = before.removeprefix(BOM)
    rest = plain[:start] + plain[end:]
    assert re.sub(rb"\s+", b"", rest).startswith(re.sub(rb"\s+", b"", gone.removeprefix(BOM))[: start // 4])
    assert len(plain) - len(gone.removeprefix(BOM)) >= end - start


@pytest.mark.parametrize("kind", ["set", "insert", "remove", "put", "block"])
def test_what_terraform_fmt_would_leave_alone_stays_so(kind: str, tmp_path: Path) -> None:
    """Every file that was formatted stays formatted, whatever is edited in it."""
    clean = _formatted(FIXTURES / "hcl", CORPUS)
    assert len(clean) >= 25
    for number, place in enumerate(p for p in places() if p.file in clean):
        edit = _some_edit(kind, block_at(place), place.address)
        if edit is None:
            continue
        try:
            _, after = edited(place, edit)
        except (ValueElsewhere, NotEditable):
            continue
        (tmp_path / f"{number}-{place.file.name}").write_bytes(after)
    written = sorted(tmp_path.glob("*.tf"))
    assert len(written) >= 4
    assert _formatted(tmp_path, written) == set(written)


def _some_edit(kind: str, block: Block, address: str) -> Edit | None:
    literals = [a for a in block.attributes.values() if is_literal(a.value) and a.name not in META]
    maps = [a for a in literals if unwrap(a.value).type == "object"]
    match kind:
        case "set":
            return SetAttribute(address, literals[0].name, '"a rather different value"') if literals else None
        case "insert":
            return SetAttribute(address, "a_rather_long_argument_name", "1", after=literals[0].name) if literals else None
        case "remove":
            return RemoveAttribute(address, max(block.attributes, key=len)) if len(block.attributes) > 1 else None
        case "put":
            return PutKey(address, maps[0].name, "a_long_map_key", '"v"') if maps else None
    return AddBlock(address, "added_block", (("x", "1"), ("long_name", "2")))


def _formatted(folder: Path, files: list[Path]) -> set[Path]:
    done = subprocess.run([*find().command, "fmt", "-check", "-list=true", str(folder)], capture_output=True, text=True, check=False)
    listed = {Path(line).name for line in done.stdout.splitlines()}
    return {f for f in files if f.name not in listed}


def test_errors_are_ours() -> None:
    """Whatever is asked of any file, the answer is an edit or an HclError."""
    for place in places()[::5]:
        for edit in (
            RemoveAttribute(place.address, "no_such"),
            AppendItem(place.address, "name", '"x"'),
            DropKey(place.address, "tags", "no"),
        ):
            with pytest.raises(HclError):
                edited(place, edit)
