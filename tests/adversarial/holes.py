"""The holes that are known: attacks that succeed, by name. Each is a strict xfail, so that mending it shows; then its line goes."""

from __future__ import annotations

HOLES: dict[str, str] = {}
