"""ARM resource ids: parse, build, compare without case.

Source: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules and the id grammar
`/subscriptions/{s}/resourceGroups/{g}/providers/{namespace}/{type}/{name}/...`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from iac_agent.errors import UsageError


@dataclass(frozen=True)
class ResourceId:
    """A parsed id. `types` and `names` run in parallel; `scope` is the id an extension resource hangs on, or empty."""

    text: str
    subscription: str
    resource_group: str
    namespace: str
    types: tuple[str, ...]
    names: tuple[str, ...]
    scope: str = ""

    @classmethod
    def parse(cls, text: str) -> ResourceId:
        """Parse an id of a resource, a resource group or a subscription. Raises UsageError."""
        scope, separator, tail = _split_providers(text)
        head = re.fullmatch(r"/subscriptions/([^/]+)(?:/resourceGroups/([^/]+))?(.*)", scope, re.IGNORECASE)
        if not head and separator and not scope:
            return cls(text, "", "", *_typed(text, tail))
        if not head:
            raise UsageError(f"{text!r} is not an ARM resource id", hint="It starts with /subscriptions/.")
        subscription, group, rest = head[1], head[2] or "", head[3]
        if not separator:
            if rest.strip("/"):
                raise UsageError(f"{text!r} is not an ARM resource id", hint=f"Unexpected {rest!r}.")
            kind = "Microsoft.Resources"
            if group:
                return cls(text, subscription, group, kind, ("resourceGroups",), (group,))
            return cls(text, subscription, "", kind, ("subscriptions",), (subscription,))
        outer = scope if rest.strip("/") else ""
        return cls(text, subscription, group, *_typed(text, tail), scope=outer)

    @property
    def name(self) -> str:
        return self.names[-1]

    @property
    def type(self) -> str:
        """`Microsoft.Compute/virtualMachines`."""
        return f"{self.namespace}/{'/'.join(self.types)}"

    @property
    def parent(self) -> str:
        """The id of the resource one level up; of the resource group for a top-level resource."""
        return parent_of(self.text)


def _split_providers(text: str) -> tuple[str, str, str]:
    position = text.lower().rfind("/providers/")
    return (text, "", "") if position < 0 else (text[:position], "/providers/", text[position + len("/providers/") :])


def _typed(text: str, tail: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    parts = tail.strip("/").split("/")
    if len(parts) < 3 or len(parts) % 2 == 0 or not all(parts):
        raise UsageError(f"{text!r} is not an ARM resource id", hint="After /providers/ come namespace, type and name.")
    return parts[0], tuple(parts[1::2]), tuple(parts[2::2])


def parent_of(text: str) -> str:
    """Cut the last type and name, or the last `/providers/namespace/type/name`."""
    cut = text.rsplit("/", 2)[0]
    scope, separator, tail = _split_providers(cut)
    return scope if separator and "/" not in tail else cut


def same_id(one: str, other: str) -> bool:
    """ARM ids are equal without regard to case."""
    return one.strip("/").lower() == other.strip("/").lower()


def group_id(subscription: str, group: str) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/{group}"
