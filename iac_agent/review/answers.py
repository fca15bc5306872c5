"""Answers to commands, as Markdown."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from iac_agent.drift.wording import cause_text, difference_text
from iac_agent.errors import UnknownAddress
from iac_agent.guard.policy import Ruling
from iac_agent.hcl.address import without_keys
from iac_agent.review.applying import Applied
from iac_agent.review.comment import code, counted, fenced, plain
from iac_agent.review.fix import Fix
from iac_agent.review.report import Review, Reviewed, Row


def fitted(marker: str, body: str, limit: int) -> str:
    """The answer with its marker, cut to what a comment takes."""
    text = f"{marker}\n{body}"
    if len(text.encode()) <= limit:
        return text
    cut = text.encode()[: limit - 40].decode("utf-8", "ignore").rpartition("\n")[0]
    return f"{cut}\n\nThe rest does not fit here.\n"


def explain(review: Review, address: str) -> str:
    """Everything the review knows of an address. Raises UnknownAddress with what comes close."""
    rows = [(r, row) for r in review.roots for row in (*r.rows, *r.waiting)]
    meant = [(r, row) for r, row in rows if address in (row.address, without_keys(row.address))]
    if not meant:
        near = difflib.get_close_matches(address, [row.address for _, row in rows], n=4, cutoff=0.4)
        raise UnknownAddress(address, near, "what this pull request changes")
    return "\n".join(_explained(r, row) for r, row in meant[:20])


def _explained(reviewed: Reviewed, row: Row) -> str:
    lines = [f"**{row.action}** {code(row.address)} in {code(reviewed.name)}{f' ({code(row.where)})' if row.where else ''}", ""]
    if row in reviewed.waiting:
        lines.append("It would be changed without this pull request too: it drifted, or an earlier change was not applied.")
    if row.reason:
        lines.append(f"Terraform says: {plain(row.reason)}.")
    for a in row.attributes:
        lines.append(f"- {code(a.path)}: {code(a.before)} → {code(a.after)}{', which forces the replacement' if a.forces else ''}")
    for i in row.impacts:
        more = f"; {', '.join(map(code, i.dependents[:10]))} depend on it" if i.dependents else ""
        lines.append(f"- ⚠ {plain(i.what)}{more}")
    for f in reviewed.findings:
        if f.address == row.address:
            said = f", {code(f.attribute)} = {code(f.value)}" if f.attribute else ""
            what = "so before, too" if f.standing else {Ruling.REFUSE: "refused", Ruling.WARN: "warned"}.get(f.outcome, "cannot be told")
            lines.append(f"- **{f.rule}** {plain(f.title)} ({what}){said}. {plain(f.why)} {plain(f.fix)}")
    lines += [f"- drift: {code(difference_text(d))}; {code(cause_text(f))}"
              for f in reviewed.drift if f.address == row.address for d in f.differences]  # fmt: skip
    return "\n".join(lines) + "\n"


def drift(review: Review) -> str:
    """What drifts in the root modules that are touched."""
    lines = []
    for r in review.roots:
        lines.append(f"**{code(r.name)}**: {len(r.drift)} finding(s){f'; unknown: {code(r.drift_unknown)}' if r.drift_unknown else ''}")
        for f in r.drift:
            told = ", ".join(code(difference_text(d)) for d in f.differences) or plain(f.reason)
            lines.append(f"- {f.severity} {f.kind} {code(f.subject)}{f': {told}' if told else ''}; {code(cause_text(f))}")
    lines.append("")
    lines.append("`iacagent drift reconcile --pr` opens a pull request that takes drift over; reverting it is an apply of the base.")
    return "\n".join(lines) + "\n" if review.roots else "No root module is touched.\n"


def applied(found: Sequence[Applied]) -> str:
    """What was applied, and with what proof."""
    bad = [f for f in found if f.problem]
    lines = [f"**Not applied**: {code(bad[0].name)}" if bad else f"**Applied**: {', '.join(code(f.name) for f in found)}", ""]
    for one in found:
        if one.again:
            lines.append(f"- {code(one.name)} was applied already: nothing was done again")
        elif one.problem:
            lines.append(f"- ✗ {code(one.name)}: {plain(one.problem)}")
        else:
            lines.append(f"- ✓ {code(one.name)}: {', '.join(map(code, one.addresses[:20])) or 'nothing to change'}")
        for proof in one.proofs:
            mark = {True: "✓", False: "✗", None: "?"}[proof["holds"]]
            lines.append(f"  - {mark} {plain(proof['what'])}: {plain(proof['found'])}")
    return "\n".join(lines) + "\n"


def undo(found: Sequence[Reviewed]) -> str:
    """What going back to the base would do."""
    if not any(r.rows or r.problem for r in found):
        return "**Nothing to undo**: what is applied is as the base says.\n"
    lines = ["**Undo**: this plan goes back to the base. `/iacagent apply --undo` applies it.", ""]
    for r in found:
        lines.append(f"**{code(r.name)}**: {counted(r)}{f'; ⛔ {plain(r.problem)}' if r.problem else ''}")
        for row in r.rows[:100]:
            lines.append(f"- {row.action} {code(row.address)}")
            for a in row.attributes:
                lines.append(
                    f"  - {code(a.path)}: {code(a.before)} → {code(a.after)}{' (without this pull request, too)' if a.waiting else ''}"
                )
        if r.waiting:
            lines.append(f"- beside that, without this pull request: {', '.join(code(w.address) for w in r.waiting[:20])}")
        named = [a for addresses in r.needs.values() for a in addresses]
        if named:
            lines.append(f"- must be named: {', '.join(map(code, named))}")
    return "\n".join(lines) + "\n"


def fixed(rule: str, found: Sequence[Fix]) -> str:
    """Which fixes there are, as suggestions or as a patch."""
    if not found:
        return f"{code(rule)} is not broken by this pull request.\n"
    lines = [f"{code(rule)}: {sum(bool(f.patch) for f in found)} of {len(found)} can be fixed by an edit", ""]
    for one in found:
        if not one.patch:
            lines.append(f"- {code(one.address)}: {plain(one.why)}")
            continue
        where = "see the suggestion beside the code" if one.suggestion else "its lines are not in this pull request; here is a patch"
        lines.append(f"- {code(one.address)}: {plain(one.why)} {where}")
        if one.suggestion is None:
            lines += ["", fenced(one.patch, "diff"), ""]
    return "\n".join(lines) + "\n"
