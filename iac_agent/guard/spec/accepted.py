"""The file of accepted policies, `.iacagent.policies.yaml`: what was said, what it means, and who accepted exactly that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import yaml
from pydantic import ValidationError

from iac_agent.errors import UsageError
from iac_agent.guard.spec.in_force import Accepted
from iac_agent.guard.spec.language import Spec

FILE = ".iacagent.policies.yaml"
_HEAD = "# Policies in plain words, as they were accepted. Written by `iacagent policy compile --accept`; a change here voids it.\n"


def read(text: str, where: str) -> tuple[Accepted, ...]:
    """The policies of a file. Raises UsageError for one that is not what was accepted: it must not be in force, nor silently left out."""
    try:
        rows = (yaml.safe_load(text) or {}).get("policies") or []
        return tuple(_accepted(row, where) for row in rows)
    except (yaml.YAMLError, ValidationError, KeyError, TypeError, AttributeError) as problem:
        raise UsageError(f"{where}: {problem}", hint="Compile the policy again: iacagent policy compile.") from problem


def _accepted(row: dict[str, Any], where: str) -> Accepted:
    spec, said = Spec.model_validate(row["spec"]), row["accepted"]
    if said.get("sha256") != spec.digest():
        raise UsageError(
            f"{where}: {row['id']} was changed since {said.get('by')} accepted it",
            hint="Take the change back, or compile and accept the policy again.",
        )
    return Accepted(str(row["id"]), str(row["says"]), spec, str(said["by"]), str(said["at"]))


def written(text: str, where: str, new: list[tuple[str, Spec]], by: str) -> tuple[str, list[Accepted]]:
    """The text of the file with new policies at its end, and those. Ids go on from the highest there is."""
    held = read(text, where) if text.strip() else ()
    rows = (yaml.safe_load(text) or {}).get("policies", []) if text.strip() else []
    first = 1 + max((int(a.id.removeprefix("SPEC-")) for a in held), default=0)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    added = [Accepted(f"SPEC-{first + n:03}", says, spec, by, at) for n, (says, spec) in enumerate(new)]
    rows += [
        {
            "id": a.id,
            "says": a.says,
            "reads": str(a.spec),
            "spec": a.spec.model_dump(mode="json", exclude_defaults=True) | {"demand": _demand(a.spec)},
            "accepted": {"by": by, "at": at, "sha256": a.spec.digest()},
        }
        for a in added
    ]
    return _HEAD + yaml.safe_dump({"policies": rows}, sort_keys=False, allow_unicode=True, width=120), added


def _demand(spec: Spec) -> dict[str, Any]:
    return {"kind": spec.demand.kind, **spec.demand.model_dump(mode="json", exclude_defaults=True)}
