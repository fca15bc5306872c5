"""Findings in words: a difference in a line, who did it in a sentence. Sensitive values are never in them."""

from __future__ import annotations

import json
from typing import Any

from iac_agent.drift.finding import MASK, Cause, Difference, Finding

_LONG = 60


def value_text(value: Any) -> str:
    """A value for one line of a report."""
    if value is None:
        return "(none)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.replace("\n", "\\n") or '""'
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


def difference_text(difference: Difference) -> str:
    if difference.sensitive:
        return f"{difference.name}: {MASK} → {MASK}"
    if isinstance(difference.after, dict) and difference.before is None:
        return f"{difference.name}: added"
    if isinstance(difference.before, dict) and difference.after is None:
        return f"{difference.name}: removed"
    return f"{difference.name}: {value_text(difference.before)} → {value_text(difference.after)}"


def cause_text(finding: Finding) -> str:
    return "; also ".join(_one(c) for c in finding.causes)


def _one(cause: Cause) -> str:
    if not cause.who:
        return "by whom is unknown"
    parts = [f"by {cause.who}"]
    parts += [f"with {cause.client}"] if cause.client else []
    parts += [f"from {cause.address}"] if cause.address else []
    parts += [f"at {cause.when[:19].replace('T', ' ')} UTC"] if cause.when else []
    return " ".join(parts) + ("" if cause.sure == "certain" else f" ({cause.sure})")
