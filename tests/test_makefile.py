"""What the Makefile and the documentation promise of `make` is there."""

from __future__ import annotations

import re

from tests.conftest import ROOT


def test_every_target_does_something() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    promised = set(re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)[1].split())  # type: ignore[index]
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        promised |= set(re.findall(r"`make ([a-z-]+)`", page.read_text("utf-8")))
    made = set(re.findall(r"^([a-z-]+):[^\n]*\n\t", text, re.MULTILINE))
    assert promised - made == set()
