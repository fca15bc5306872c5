"""Every recipe's examples are understood, by that recipe, and the page made from them is current."""

from __future__ import annotations

import pytest

from iac_agent.planner.protocol import ChangeSet
from iac_agent.planner.recipes import all_recipes
from tests.planner import examples


@pytest.mark.parametrize(("title", "example"), [(r.title, x) for r in all_recipes() for x in r.examples])
def test_examples(title: str, example: str) -> None:
    found = examples.answer(example)
    assert isinstance(found, ChangeSet), found
    assert found.edits
    assert title in found.how[0]


def test_the_page_is_current() -> None:
    assert examples.DOCS.read_text("utf-8") == examples.page(), "run python -m tests.planner.examples"
