"""The emulated services. Each module has the same parts: TYPES (its resource types) and ROUTES (its other operations)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from iac_agent.gym import faults
from iac_agent.gym.cloud import Caller, Cloud, ResourceType
from iac_agent.gym.store import Body

Outcome = tuple[int, Body | list[Body] | None]


@dataclass
class Call:
    """One request to ARM after authentication. `query` keys are lower case."""

    cloud: Cloud
    path: str
    query: dict[str, str]
    body: Body
    caller: Caller


@dataclass(frozen=True)
class Operation:
    """An operation that is not plain create, read, update, delete: method, path pattern (`{name}` matches one segment).

    slow: its answer is told by a long-running operation.
    """

    method: str
    pattern: str
    run: Callable[[Call, dict[str, str]], Outcome]
    slow: bool = False


PAGE = 1000


def page(found: list[Body], call: Call, host: str) -> Body:
    """One page of a list: `$top` and `$skiptoken` in, `value` and `nextLink` out. Raises InvalidQueryParameter."""
    start, size = _number(call.query.get("$skiptoken"), 0, 0), min(_number(call.query.get("$top"), PAGE, 1), PAGE)
    body: Body = {"value": found[start : start + size]}
    if start + size < len(found):
        query = urlencode({**call.query, "$skiptoken": start + size})
        body["nextLink"] = f"https://{host}{quote(call.path)}?{query}"
    return body


def _number(text: str | None, default: int, least: int) -> int:
    if not text:
        return default
    if not text.isdigit() or int(text) < least:
        raise faults.bad_request("InvalidQueryParameter", f"The query parameter value '{text}' is not valid.")
    return int(text)


class Services:
    """All operations of all services."""

    def __init__(self, operations: list[Operation]) -> None:
        self._compiled = [(_compile(o.pattern), o) for o in operations]

    def find(self, method: str, call: Call) -> tuple[Operation, dict[str, str]] | None:
        """The operation that claims this path, with what its pattern matched; None when none does."""
        for pattern, operation in self._compiled:
            if operation.method == method and (match := pattern.fullmatch(call.path)):
                return operation, match.groupdict()
        return None


def _compile(pattern: str) -> re.Pattern[str]:
    out = ""
    for piece in re.split(r"(\{\w+\*?\})", pattern):
        if piece.startswith("{"):
            name = piece.strip("{}*")
            out += f"(?P<{name}>{'.+' if piece.endswith('*}') else '[^/]+'})"
        else:
            out += re.escape(piece)
    return re.compile(out, re.IGNORECASE)


def registry() -> tuple[dict[str, ResourceType], Services]:
    """Every emulated type by lower-case name, and every operation."""
    from iac_agent.gym.services import (
        alerts,
        authorization,
        compute,
        deployments,
        graph,
        health,
        images,
        insights,
        keyvault,
        logs,
        metrics,
        moves,
        network,
        policy,
        private_dns,
        resources,
        storage,
        tags,
    )

    modules = (
        *(resources, compute, images, network, private_dns, storage, keyvault),
        *(authorization, policy, insights, graph, tags, moves, deployments, metrics, health, alerts, logs),
    )
    types = {kind.key: kind for module in modules for kind in module.TYPES}
    return types, Services([operation for module in modules for operation in module.ROUTES])
