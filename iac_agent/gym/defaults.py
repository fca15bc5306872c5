"""What Azure answers for properties that a client left out: az and the portal send less than azurerm does.

The lenses know these defaults, since azurerm sends them always. Source: the recordings they were made from.
"""

from __future__ import annotations

import functools

from iac_agent.azure.lenses import all_lenses
from iac_agent.azure.lenses.table import Attr, Put, get_path, put_path
from iac_agent.gym.store import Body


@functools.cache
def _defaults(kind: str) -> tuple[tuple[str, object], ...]:
    """ARM path and value of each default of a type; none for a type that two azurerm types are written to."""
    lenses = [x for x in all_lenses().values() if x.arm.lower() == kind and isinstance(x.strategy, Put)]
    if len(lenses) != 1:
        return ()
    rows = (f for f in lenses[0].fields if isinstance(f, Attr) and f.send == "always" and f.default is not None)
    return tuple((f.arm, f.codec.to_arm(f.default)) for f in rows if f.arm)


def fill(kind: str, body: Body) -> None:
    """Put the defaults of a type where the body says nothing."""
    for path, value in _defaults(kind.lower()):
        if get_path(body, path) is None:
            put_path(body, path, value)
