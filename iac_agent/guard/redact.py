"""Keeping secrets out of what is shown and stored: by the names of arguments, since a diff has no schema."""

from __future__ import annotations

import re

from iac_agent.hcl.secrets import in_text, is_sensitive_name

MASK = "(sensitive)"
_ASSIGNED = re.compile(r'^(?P<head>[\s+\- ]*"?(?P<name>[\w.-]+)"?\s*[=:]\s*)(?P<value>.+)$')
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LITERAL = re.compile(r'"(?:[^"\\$%]|\\.|[$%](?!\{))*"')


def printable(said: str) -> str:
    """Text without what acts on a terminal: control and bidirectional characters, but for tabs and lines."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", said)


def line(text: str) -> str:
    """A line of HCL or of a diff, with the literal value of a sensitive argument masked. References stay."""
    match = _ASSIGNED.match(text)
    if not match or not is_sensitive_name(match["name"]):
        return text
    return match["head"] + _LITERAL.sub(f'"{MASK}"', match["value"])


def text(said: str) -> str:
    """Prose, such as a request, with the secrets in it masked."""
    for secret in sorted(set(in_text(said)), key=len, reverse=True):
        said = said.replace(secret, MASK)
    return said


def edit(described: dict[str, object]) -> dict[str, object]:
    """An edit as JSON, with its value masked when the path or key names a secret."""
    names = f"{described.get('path', '')}.{described.get('key', '')}"
    if "value" in described and is_sensitive_name(names):
        return {**described, "value": MASK}
    if "value" in described and any(in_text(str(described["value"]))):
        return {**described, "value": MASK}
    if "source" in described:
        masked = "\n".join(line(one) for one in str(described["source"]).splitlines())
        return {**described, "source": masked}
    return described
