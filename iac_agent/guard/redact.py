"""Keeping secrets out of what is shown and stored: by the names of arguments, since a diff has no schema."""

from __future__ import annotations

import re

MASK = "(sensitive)"
_NAME = re.compile(
    r"(passwo?r?d|passwd|secret|token|private_key|access_key|shared_key|connection_string|credential|custom_data|user_data)",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(r'^(?P<head>[\s+\- ]*"?(?P<name>[\w.-]+)"?\s*[=:]\s*)(?P<value>.+?)(?P<tail>,?\s*(?:(?:#|//).*)?)$')
_LITERAL = re.compile(r'"(?:[^"\\$%]|\\.|[$%](?!\{))*"')


def is_sensitive_name(name: str) -> bool:
    """Whether an argument of this name holds a secret."""
    return _NAME.search(name) is not None


def line(text: str) -> str:
    """A line of HCL or of a diff, with the literal value of a sensitive argument masked. References stay."""
    match = _ASSIGNED.match(text)
    if not match or not is_sensitive_name(match["name"]):
        return text
    return match["head"] + _LITERAL.sub(f'"{MASK}"', match["value"]) + match["tail"]


def edit(described: dict[str, object]) -> dict[str, object]:
    """An edit as JSON, with its value masked when the path or key names a secret."""
    names = f"{described.get('path', '')}.{described.get('key', '')}"
    if "value" in described and is_sensitive_name(names):
        return {**described, "value": MASK}
    if "source" in described:
        masked = "\n".join(line(one) for one in str(described["source"]).splitlines())
        return {**described, "source": masked}
    return described
