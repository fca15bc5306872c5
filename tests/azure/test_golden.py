"""Each lens reproduces the recordings of the real azurerm: PUT bodies and states, exactly, for both majors."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from iac_agent.azure.lenses import access, all_lenses, lens_for
from iac_agent.azure.lenses.convert import block_schema, expand, settle
from iac_agent.azure.lenses.table import Association, DataDisk, Inside, Lens, Put, get_path
from iac_agent.azure.schemas import provider_schema
from tests.conftest import Figure
from tests.golden import Recording, recordings

SUBSCRIPTION = "00000000-0000-0000-0000-000000000004"


class Replay:
    """Answers ARM calls from a recording: the first answer after the call that created the resource, else the last one."""

    def __init__(self, recording: Recording, since: int) -> None:
        self.recording, self.since = recording, since
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def _answers(self, method: str, path: str) -> list[tuple[int, dict[str, Any]]]:
        plain = path.split("?")[0].lower()
        calls = enumerate(self.recording.calls)
        return [(i, c["response"]) for i, c in calls if c["method"] == method and c["path"].lower() == plain and c["status"] == 200]

    def get(self, path: str, api: str) -> dict[str, Any] | None:
        answers = self._answers("GET", path)
        later = [r for i, r in answers if i > self.since]
        return copy.deepcopy(later[0] if later else answers[-1][1]) if answers else None

    def put(self, path: str, body: dict[str, Any], api: str) -> dict[str, Any]:
        self.sent.append((path, copy.deepcopy(body)))
        return body

    def post(self, path: str, api: str) -> dict[str, Any]:
        answers = self._answers("POST", path)
        return answers[-1][1] if answers else {}

    def delete(self, path: str, api: str) -> None:
        raise AssertionError("nothing is deleted here")


def written_by(recording: Recording, lens: Lens, values: dict[str, Any]) -> int:
    """The index of the PUT that created a resource; -1 when it was not recorded."""
    for index, call in enumerate(recording.calls):
        if call["method"] == "PUT" and _is_creation(call, lens, values):
            return index
    return -1


def _is_creation(call: dict[str, Any], lens: Lens, values: dict[str, Any]) -> bool:
    path, body = call["path"].lower(), call["request"]
    match lens.strategy:
        case Put():
            return path == lens.arm_path(values["id"]).lower()
        case Inside(parent=parent, array=array):
            names = [e["name"] for e in get_path(body, array) or []]
            return path == values[parent].lower() and values["name"] in names
        case Association(parent=parent, target=target):
            return path == values[parent].lower() and values[target].lower() in json.dumps(body).lower()
        case DataDisk(parent=parent):
            return path == values[parent].lower() and values["managed_disk_id"].lower() in json.dumps(body).lower()


def _cases(major: int) -> list[tuple[Recording, str]]:
    return [(recording, address) for recording in recordings(major) for address in recording.state]


def _body(recording: Recording, address: str, major: int) -> tuple[Any, Any]:
    """The body the lens sends and the body recorded."""
    lens = lens_for(recording.state[address]["type"])
    values = recording.state[address]["values"]
    index = written_by(recording, lens, values)
    planned = recording.planned_values(address)
    arm = Replay(recording, index - 1)
    recorded = recording.calls[index]["request"]
    if lens.hooks.prepare:
        lens.hooks.prepare(arm, planned, SUBSCRIPTION)
    if isinstance(lens.strategy, Put):
        return expand(lens, planned, major), recorded
    before = [
        (i, c) for i, c in enumerate(recording.calls) if i < index and c["method"] == "GET" and c["path"] == recording.calls[index]["path"]
    ]
    arm.since = before[-1][0] - 1
    access.create(lens, arm, planned, SUBSCRIPTION, major)
    return arm.sent[0][1], recorded


def _differences(found: Any, wanted: Any, at: str = "") -> list[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = sorted(found.keys() | wanted.keys())
        return [d for k in keys for d in _differences(found.get(k, "(absent)"), wanted.get(k, "(absent)"), f"{at}.{k}")]
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        return [d for i, (f, w) in enumerate(zip(found, wanted, strict=True)) for d in _differences(f, w, f"{at}[{i}]")]
    return [] if found == wanted else [f"{at}: {found!r} instead of {wanted!r}"]


@pytest.mark.parametrize("major", [4, 5])
def test_put_bodies_are_those_of_azurerm(major: int, figure: Figure) -> None:
    wrong, unrecorded, total = [], [], 0
    for recording, address in _cases(major):
        lens = lens_for(recording.state[address]["type"])
        if written_by(recording, lens, recording.state[address]["values"]) < 0:
            unrecorded.append(f"{recording.name} {address}")
            continue
        total += 1
        found, wanted = _body(recording, address, major)
        wrong += [f"{recording.name} {address}{d}" for d in _differences(found, wanted)]
    figure(f"azurerm {major} PUT bodies as recorded", total - len({w.split(":")[0] for w in wrong}), total)
    assert not unrecorded
    assert not wrong


@pytest.mark.parametrize("major", [4, 5])
def test_states_are_those_of_azurerm(major: int, figure: Figure) -> None:
    wrong, total = [], 0
    for recording, address in _cases(major):
        total += 1
        wanted = recording.state[address]["values"]
        lens = lens_for(recording.state[address]["type"])
        planned = recording.planned_values(address)
        arm = Replay(recording, written_by(recording, lens, wanted))
        live = access.read(lens, arm, wanted["id"], planned, major)
        found = settle(live, planned, block_schema(lens, major)) if live else {}
        wrong += [f"{recording.name} {address}{d}" for d in _differences(found, wanted)]
    figure(f"azurerm {major} states as recorded", total - len({w.split(":")[0] for w in wrong}), total)
    assert not wrong


@pytest.mark.parametrize("major", [4, 5])
def test_every_type_of_the_schema_has_a_lens_with_a_row_for_every_attribute(major: int) -> None:
    resources = provider_schema(major).resources
    assert len(resources) == 48
    missing = []
    for type_name, block in resources.items():
        lens = all_lenses()[type_name]
        rows = {field.name for field in lens.fields_for(major)}
        wanted = {*block.attributes, *block.blocks} - {"id", "timeouts"}
        missing += [f"{type_name}.{name}" for name in sorted(wanted - rows)]
    assert not missing
