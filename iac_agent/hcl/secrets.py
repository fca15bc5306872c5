"""Finding secrets in configuration, state and text: by the names they are given, by their shape, and by what is declared sensitive."""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

_NAME = re.compile(
    r"(passwo?r?d|passwd|\bpwd\b|secret|token|private_?key|access_?key|shared_?key|account_?key|api_?key|sas_?url|"
    r"connection_?string|credential|custom_?data|user_?data|"
    r"license_?key|\bpin\b|passphrase|webhook)",
    re.IGNORECASE,
)
SHAPES: tuple[re.Pattern[str], ...] = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),
    re.compile(r"(?:AccountKey|SharedAccessKey|Password|Pwd|sig|accessKey)=(?P<value>[^;&\s\"']{6,})", re.IGNORECASE),
    re.compile(
        r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|sk-[\w-]{16,}|"
        r"AKIA[0-9A-Z]{12,}|AIza[\w-]{20,}|hvs\.[\w-]{16,}|npm_\w{20,}|pypi-[\w-]{16,})"
    ),
    re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@\"']+:(?P<value>[^\s@/\"']+)@", re.IGNORECASE),
    re.compile(
        r"(?i)\b(?:\w+[_-])?(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key)\b(?:\s+is|\s*[:=])\s*[\"']?(?P<value>[^\s\"',;]{4,})"
    ),
)
_WORD = re.compile(r"[A-Za-z0-9+/_~.!@#$%^&*-]{12,}={0,2}")
_ASSIGNED = re.compile(r'(?m)^\s*"?(?P<name>[\w.-]+)"?\s*[=:]\s*"(?P<value>(?:[^"\\]|\\.)*)"')
_HEREDOC = re.compile(r"(?m)^\s*(?P<name>[\w.-]+)\s*=\s*<<-?(?P<mark>\w+)\r?\n(?P<value>.*?)^\s*(?P=mark)\s*$", re.DOTALL | re.MULTILINE)
_CALLED = re.compile(r'(?m)^\s*"?(?P<name>[\w.-]+)"?\s*[=:]\s*(?!")(?P<rest>\S.*"(?:[^"\\]|\\.)*".*)$')
_LITERAL = re.compile(r'"((?:[^"\\]|\\.)+)"')
_LABELLED = re.compile(r'(?m)^\s*(?:variable|output)\s+"(?P<name>[^"]+)"\s*\{(?P<body>.*?)^\}', re.DOTALL | re.MULTILINE)
_VALUE = re.compile(r'(?m)^\s*(?:default|value)\s*=\s*"((?:[^"\\]|\\.)+)"')
_ORDINARY = re.compile(
    r"/subscriptions/|^(?:Standard|Basic|Premium|azurerm|Microsoft|Canonical|module|local|var|data|each|Owner|"
    r"Contributor)\b|^[a-z0-9._/-]+$|^[A-Za-z]+(?:[._/-][A-Za-z0-9]+)*$|"
    r"^[A-Z][A-Z0-9_]+$|^https?://|^ssh-|^\d[\d./:T+Z-]*$|^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$|\$\{|^AAAA[A-Z]3NzaC1"
)


@functools.lru_cache(maxsize=4096)
def is_sensitive_name(name: str) -> bool:
    """Whether an argument, variable or tag of this name holds a secret."""
    return _NAME.search(name) is not None


def looks_secret(text: str) -> bool:
    """Whether a single word has the entropy of a key: at least 12 characters, upper and lower case and digits, 3.3 bits a character."""
    if len(text) < 12 or _ORDINARY.search(text):
        return False
    kinds = sum(bool(re.search(p, text)) for p in (r"[a-z]", r"[A-Z]", r"\d"))
    counts = Counter(text)
    entropy = -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())
    return kinds >= 3 and entropy > 3.3


def in_text(text: str) -> Iterator[str]:
    """The secrets in HCL, JSON, YAML or prose."""
    for pattern in (_ASSIGNED, _HEREDOC):
        for match in pattern.finditer(text):
            if is_sensitive_name(match["name"]) and match["value"].strip() and "${" not in match["value"]:
                yield match["value"]
                yield from (line.strip() for line in match["value"].splitlines() if len(line.strip()) > 3)
    for match in _CALLED.finditer(text):
        if is_sensitive_name(match["name"]):
            yield from (m[1] for m in _LITERAL.finditer(match["rest"]) if "${" not in m[1])
    for match in _LABELLED.finditer(text):
        if is_sensitive_name(match["name"]):
            yield from (m[1] for m in _VALUE.finditer(match["body"]))
    for pattern in SHAPES:
        for match in pattern.finditer(text):
            yield match["value"] if "value" in pattern.groupindex else match[0]
    for match in _WORD.finditer(text):
        word = match[0].strip(".,")
        if looks_secret(word):
            yield word


def held_in(value: Any) -> bool:
    """Whether a text has the shape of a secret, or a key that somebody gave a value its name."""
    if isinstance(value, Mapping):
        return any(is_sensitive_name(str(k)) or held_in(v) for k, v in value.items())
    if isinstance(value, list):
        return any(map(held_in, value))
    return isinstance(value, str) and next(in_text(value), None) is not None


def in_values(values: Any, sensitive: Any, name: str = "") -> Iterator[str]:
    """The secrets in state: what Terraform marks in `sensitive_values`, and what names and shapes give away."""
    if isinstance(values, Mapping):
        marks = sensitive if isinstance(sensitive, Mapping) else {}
        for key, value in values.items():
            yield from in_values(value, True if sensitive is True else marks.get(key), str(key))
    elif isinstance(values, list):
        for position, value in enumerate(values):
            mark = sensitive[position] if isinstance(sensitive, list) and position < len(sensitive) else sensitive is True
            yield from in_values(value, mark, name)
    elif isinstance(values, str) and values:
        if sensitive is True or is_sensitive_name(name):
            yield values
        else:
            yield from in_text(values)
