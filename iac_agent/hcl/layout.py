"""Keeps the lines around an edit as `terraform fmt` would leave them, and only those lines.

`terraform fmt` aligns the equals signs of consecutive single-line arguments, and the comments behind consecutive lines. Where
the run around an edit was aligned before, it is aligned afterwards; where the author did not care, neither do we.

Source: the rules of `format.go` in https://github.com/hashicorp/hcl (hclwrite).
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from tree_sitter import Node

from iac_agent.hcl.document import Document, walk

_OPENING = {"{", "[", "(", "${", "%{", "${~", "%{~"}
_CLOSING = {"}", "]", ")", "~}"}


@dataclass
class Splice:
    """Replace bytes [start, end) by `text`."""

    start: int
    end: int
    text: bytes


def splice(data: bytes, splices: list[Splice]) -> bytes:
    """Apply non-overlapping splices; of two at one place the first in the list comes first."""
    out = bytearray(data)
    in_order = sorted(enumerate(splices), key=lambda numbered: (numbered[1].start, numbered[0]))
    for _, part in reversed(in_order):
        out[part.start : part.end] = part.text
    return bytes(out)


@dataclass
class _Line:
    """What alignment needs of one line: byte offsets of the end of the name, of `=`, of the end of code and of the comment."""

    start: int
    name_end: int = -1
    equals: int = -1
    code_end: int = -1
    comment: int = -1


def _width(data: bytes) -> int:
    text = data.decode("utf-8", "replace")
    return sum(0 if unicodedata.combining(c) else 1 for c in text)


def _line_numbers(document: Document) -> Callable[[int], int]:
    """From rows to lines as `terraform fmt` counts them: a heredoc, however long, is one line with its argument."""
    if b"<<" not in document.data:
        return int
    ends = sorted((n.start_point[0], n.end_point[0]) for n in walk(document.tree.root_node) if n.type == "heredoc_template")

    def number(row: int) -> int:
        return row - sum(min(row, end) - start for start, end in ends if row > start)

    return number


@functools.lru_cache(maxsize=8)
def _lines(document: Document) -> dict[int, _Line]:
    """The lines that have code or a trailing comment, by the number `_line_numbers` gives them."""
    number = _line_numbers(document)
    lines: dict[int, _Line] = {}
    balance: dict[int, int] = {}
    for node in walk(document.tree.root_node):
        if node.child_count and node.type not in ("string_lit", "quoted_template", "heredoc_template"):
            continue
        start, end = node.start_byte, node.end_byte
        if start == end:
            continue
        row, last = number(node.start_point[0]), number(node.end_point[0])
        line = lines.get(row)
        if line is None:
            line = lines[row] = _Line(document.line_start(start))
        if node.type == "comment" and not document.data.startswith(b"/*", start):
            if line.code_end >= 0:
                line.comment = start
            continue
        line.comment = -1
        if node.type == "=" and line.equals < 0 and _is_assignment(node):
            line.equals, line.name_end = start, line.code_end
            balance[row] = 0
        elif row in balance:
            balance[row] += (node.type in _OPENING) - (node.type in _CLOSING)
        line.code_end = end
        if last > row:
            tail = lines.setdefault(last, _Line(document.line_start(end)))
            tail.code_end = end
    for row, net in balance.items():
        if net:
            lines[row].equals = -1
    return lines


def _is_assignment(node: Node) -> bool:
    return node.parent is not None and node.parent.type in ("attribute", "object_elem")


def _run(lines: dict[int, _Line], row: int, member: Callable[[_Line], bool]) -> list[_Line]:
    """The unbroken run of lines around `row` that satisfy `member`; empty when `row` does not."""
    if row not in lines or not member(lines[row]):
        return []
    first = last = row
    while first - 1 in lines and member(lines[first - 1]):
        first -= 1
    while last + 1 in lines and member(lines[last + 1]):
        last += 1
    return [lines[r] for r in range(first, last + 1)]


def _has_equals(line: _Line) -> bool:
    return line.equals >= 0


def _has_comment(line: _Line) -> bool:
    return line.comment >= 0


def _equals_splices(document: Document, run: list[_Line]) -> list[Splice]:
    target = max((_width(document.data[ln.start : ln.name_end]) for ln in run), default=0)
    fixes = []
    for line in run:
        pad = target - _width(document.data[line.start : line.name_end]) + 1
        if document.data[line.name_end : line.equals] != b" " * pad:
            fixes.append(Splice(line.name_end, line.equals, b" " * pad))
    return fixes


def _comment_splices(document: Document, run: list[_Line]) -> list[Splice]:
    target = max((_width(document.data[ln.start : ln.code_end]) for ln in run), default=0)
    fixes = []
    for line in run:
        pad = target - _width(document.data[line.start : line.code_end]) + 1
        if document.data[line.code_end : line.comment] != b" " * pad:
            fixes.append(Splice(line.code_end, line.comment, b" " * pad))
    return fixes


def _changed_rows(old: bytes, new: bytes) -> tuple[range, range]:
    """The rows that differ, with one more on each side, in old and in new."""
    a, b = old.split(b"\n"), new.split(b"\n")
    head, most = 0, min(len(a), len(b))
    while head < most and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < most - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    first = max(head - 1, 0)
    return range(first, len(a) - tail + 1), range(first, len(b) - tail + 1)


def tidy(old: Document, new: Document) -> Document:
    """`new` with the runs that touch the edit aligned, where all runs that touched it in `old` were aligned."""
    old_rows, new_rows = _changed_rows(old.data, new.data)
    old_lines, old_number = _lines(old), _line_numbers(old)
    for member, misaligned in ((_has_equals, _equals_splices), (_has_comment, _comment_splices)):
        if any(misaligned(old, _run(old_lines, row, member)) for row in sorted({old_number(r) for r in old_rows})):
            continue
        lines, number = _lines(new), _line_numbers(new)
        fixes = {f.start: f for row in sorted({number(r) for r in new_rows}) for f in misaligned(new, _run(lines, row, member))}
        if fixes:
            new = Document(new.path, new.bom + splice(new.data, list(fixes.values())))
    return new


def rebuild(document: Document, splices: list[Splice]) -> Document:
    """The document with the splices applied and the lines around them tidy. Raises HclSyntaxError when it no longer parses."""
    return tidy(document, Document(document.path, document.bom + splice(document.data, splices)))
