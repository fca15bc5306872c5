"""Apply a list of edits to a root module in memory: new bytes per file, each edit proven before the next one.

Nothing is written to disk here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from iac_agent.errors import EditRejected, HclSyntaxError, NotEditable, UnknownAddress, ValueElsewhere
from iac_agent.hcl import datafile, elements, surgery, verify
from iac_agent.hcl import edits as e
from iac_agent.hcl.address import parse_path
from iac_agent.hcl.document import Block, Document
from iac_agent.hcl.inverse import inverse
from iac_agent.hcl.layout import Splice, splice
from iac_agent.hcl.module import Module, RootModule, json_has, local_address
from iac_agent.hcl.paths import descend


@dataclass
class FileChange:
    """One file before and after; `before` is None for a new file."""

    path: Path
    before: bytes | None
    after: bytes


@dataclass
class Outcome:
    """What a list of edits does: changed files in the order of their first edit, references left dangling, and the edits that undo it."""

    files: dict[Path, FileChange] = field(default_factory=dict)
    dangling: list[str] = field(default_factory=list)
    inverses: list[e.Edit | None] = field(default_factory=list)


def apply_edits(root: RootModule | Path, edits: list[e.Edit], *, prove: bool = True) -> Outcome:
    """Apply `edits` in order to a root module, given as read (edits not yet written included) or by its directory.

    `prove=False` leaves out the proof by a second parser: to look ahead, never for what is written.

    Raises an HclError and applies nothing when any edit does not fit or does not prove to be exactly itself.
    """
    root = root if isinstance(root, RootModule) else RootModule(root)
    outcome = Outcome()
    contents = dict(root.overrides)
    for edit in edits:
        before_it = root.with_edits(contents)
        path, before, after = _apply_one(before_it, edit, prove)
        outcome.inverses.insert(0, inverse(before_it, edit))
        contents[path] = after
        change = outcome.files.get(path)
        outcome.files[path] = FileChange(path, change.before if change else before, after)
        if isinstance(edit, e.RemoveResource):
            outcome.dangling += root.with_edits(contents).dangling(edit.address)
    outcome.files = {p: c for p, c in outcome.files.items() if c.before != c.after}
    return outcome


def _apply_one(root: RootModule, edit: e.Edit, prove: bool) -> tuple[Path, bytes | None, bytes]:
    if isinstance(edit, e.AddTopLevel):
        return _add_top_level(root, edit, prove)
    if isinstance(edit, e.RenameReferences):
        return _rename_references(root, edit, prove)
    if datafile.is_data_file(edit.address):
        return _edit_data_file(root, edit)
    module, block = root.locate(edit.address)
    edit = _within_locals(block, edit)
    if block.type:
        _require_not_overridden(root, edit)
    try:
        changed = _operate(block, edit)
    except ValueElsewhere as problem:
        raise _with_origin(root, module, block, problem, edit) from None
    except HclSyntaxError as problem:
        raise EditRejected(f"{block.where}: the edit would not parse: {edit.describe()}") from problem
    document = block.document
    if prove:
        verify.prove(document, changed, block, edit)
    return root.file_of(document), document.raw, changed.raw


def _edit_data_file(root: RootModule, edit: e.Edit) -> tuple[Path, bytes, bytes]:
    """An edit of a YAML or JSON file that the configuration reads."""
    file = root.own_file(edit.address)
    raw, shown = root.read(file), str(root.shown(file))
    match edit:
        case e.SetAttribute():
            changed = datafile.set_value(shown, raw, parse_path(edit.path), verify.python_value(edit.value))
        case e.PutKey():
            changed = datafile.set_value(shown, raw, (*parse_path(edit.path), edit.key), verify.python_value(edit.value))
        case e.AppendItem():
            changed = datafile.append_value(shown, raw, parse_path(edit.path), verify.python_value(edit.value))
        case e.RemoveValue():
            changed = datafile.remove_value(shown, raw, parse_path(edit.path))
        case e.DropKey():
            changed = datafile.remove_value(shown, raw, (*parse_path(edit.path), edit.key))
        case e.RenameKey():
            changed = datafile.rename_key(shown, raw, parse_path(edit.path), edit.key, edit.to)
        case _:
            raise NotEditable(f"{shown}: {edit.describe()} is not an edit of a data file")
    return file, raw, changed


def _rename_references(root: RootModule, edit: e.RenameReferences, prove: bool) -> tuple[Path, bytes, bytes]:
    file = root.own_file(edit.address)
    document = root.document(file)
    changed = surgery.rename_references(document, edit.old, edit.new)
    if prove:
        before, after = verify.parse_values(document.raw, document.path), verify.parse_values(changed.raw, document.path)
        verify.check(document.path, before, after, None, edit)
    return file, document.raw, changed.raw


def _within_locals(block: Block, edit: e.Edit) -> e.Edit:
    """`local.x` names one argument of a block that holds others: the edit as one of that block, and of x alone."""
    if block.type != "locals":
        return edit
    name = edit.address.rpartition("local.")[2]
    if isinstance(edit, e.RemoveResource):
        return e.RemoveAttribute(edit.address, name)
    if not isinstance(edit, e.InnerEdit) or parse_path(edit.path)[:1] != (name,):
        raise UnknownAddress(edit.describe(), [f"path {name}"], block.where)
    return edit


def _require_not_overridden(root: RootModule, edit: e.Edit) -> None:
    """Raise ValueElsewhere when an override file has the last word on what the edit changes."""
    if not isinstance(edit, e.InnerEdit):
        return
    name = str(next(iter(parse_path(edit.path)), ""))
    for block in root.overriding(edit.address):
        held = block.attributes.get(name)
        if held or any(b.type == name for b in block.blocks):
            text = block.document.text(held.value) if held else f"{name} {{ ... }}"
            raise ValueElsewhere(block.where, f"{edit.address} {edit.path}", text, [f"{block.where} (an override file)"])


def _operate(block: Block, edit: e.Edit) -> Document:
    match edit:
        case e.SetAttribute():
            return elements.set_value(block, edit.path, edit.value, edit.after, edit.replacing)
        case e.RemoveValue():
            return elements.remove_value(block, edit.path)
        case e.RenameBlock():
            return surgery.rename_block(block, edit.to)
        case e.RemoveAttribute():
            return surgery.remove_attribute(block, edit.path)
        case e.AppendItem():
            return elements.append_item(block, edit.path, edit.value)
        case e.RemoveItem():
            return elements.remove_item(block, edit.path, edit.value)
        case e.PutKey():
            return elements.put_key(block, edit.path, edit.key, edit.value)
        case e.RenameKey():
            return elements.rename_key(block, edit.path, edit.key, edit.to)
        case e.DropKey():
            return elements.drop_key(block, edit.path, edit.key)
        case e.AddBlock():
            return surgery.add_block(block, edit.path, edit.arguments)
        case e.AddNested():
            return surgery.add_nested(block, edit.source)
        case e.RemoveBlock():
            return surgery.remove_block(block, edit.path)
        case e.RemoveResource():
            return surgery.remove_node(block.document, block.node)
    raise EditRejected(f"{edit.address}: no such edit as {type(edit).__name__}")


def _with_origin(root: RootModule, module: Module, block: Block, problem: ValueElsewhere, edit: e.Edit) -> ValueElsewhere:
    path = edit.path if isinstance(edit, e.InnerEdit) else problem.target
    inner, steps = descend(block, parse_path(path))
    attribute = inner.attributes.get(str(steps[0])) if steps else None
    origin = root.origin(module, block, attribute.value) if attribute else []
    return ValueElsewhere(problem.where, f"{edit.address} {problem.target}", problem.expression, origin)


def _require_new(root: RootModule, module: Module, edit: e.AddTopLevel) -> Block:
    """The one block of the edit. Raises EditRejected unless it is what it says, new, and goes to a file that Terraform reads."""
    blocks = Document("the new block", edit.source.encode()).blocks
    local = edit.address.removeprefix(module.prefix)
    if len(blocks) != 1 or (local_address(blocks[0]) or local) != local:
        raise EditRejected(f"the new block is not one block with the address {edit.address}")
    if Path(edit.file).name != edit.file or not edit.file.endswith(".tf"):
        raise NotEditable(f"{edit.file} is not a Terraform file of this module", hint="Name one, such as main.tf.")
    present = [b.where for b in module.index.get(local, [])]
    present += [str(root.shown(f)) for f, content in module.json_files if json_has(content, local)]
    if present:
        raise EditRejected(f"{edit.address} is already there: {present[0]}")
    return blocks[0]


def _add_top_level(root: RootModule, edit: e.AddTopLevel, prove: bool) -> tuple[Path, bytes | None, bytes]:
    """Put a block behind its kin: same resource type first, else at the end of the file named in the edit."""
    module = root.module_of(edit.address)
    new = _require_new(root, module, edit)
    kin = [b for d in module.documents for b in d.blocks if b.type == new.type and b.labels[:1] == new.labels[:1]]
    beside = [b for b in kin if Path(b.document.path).name == edit.file]
    kin = beside or ([] if (module.directory / edit.file).exists() and new.type == "resource" and edit.file != "main.tf" else kin)
    if kin:
        document, at = kin[-1].document, kin[-1].node.end_byte
        at = surgery.content_end(document, at)
    else:
        path = module.directory / edit.file
        raw = root.read(path) if path.exists() or path in root.overrides else b""
        document = Document(root.shown(path), raw)
        at = len(document.data.rstrip())
        at = surgery.content_end(document, at) if at else 0
    nl = document.newline
    text = edit.source.strip().encode().replace(b"\r\n", b"\n").replace(b"\n", nl)
    lead = nl + nl if at else b""
    tail = nl if at >= len(document.data.rstrip()) and not document.data[at:].strip(b" \t") else b""
    changed = Document(document.path, document.bom + splice(document.data, [Splice(at, at, lead + text + tail)]))
    if prove:
        before = verify.parse_values(document.raw, document.path) if document.data.strip() else {}
        verify.check(document.path, before, verify.parse_values(changed.raw, document.path), None, edit)
    path = root.file_of(document)
    return path, (document.raw if path.exists() else None), changed.raw
