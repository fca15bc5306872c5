"""GitHub's own description of its API and of its webhooks, to hold what is asked, answered and delivered against.

They are npm packages (`bash .ci/tools` fetches them); without them the tests that need them are skipped, and say so.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from iac_agent.gym.forges import Heard
from tests.conftest import ROOT

OCTOKIT = ROOT / ".tools" / "octokit"


def _file(name: str) -> Any:
    path = OCTOKIT / name
    if not path.is_file():
        pytest.skip(f"{Path(name).parts[0]} is not installed (bash .ci/tools)")
    return json.loads(path.read_text("utf-8"))


@functools.cache
def description() -> dict[str, Any]:
    return dict(_file("openapi/generated/api.github.com.json"))


@functools.cache
def _registry() -> Registry[Any]:
    return Registry().with_resource("github", Resource(contents=description(), specification=DRAFT7))


@functools.cache
def _validator(pointer: str) -> OAS30Validator:
    return OAS30Validator({"$ref": f"github#/{pointer}"}, registry=_registry())


@functools.cache
def _operations() -> list[tuple[re.Pattern[str], str, str]]:
    """Each path as a pattern, with the path and a method; paths with fewer parameters first."""
    found = []
    for path, methods in description()["paths"].items():
        pattern = re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path)).replace("git/ref/[^/]+", "git/ref/.+") + "$")
        found += [(pattern, path, m) for m in methods]
    return sorted(found, key=lambda o: o[1].count("{"))


def problems(heard: Heard) -> list[str]:
    """What is wrong with a request, or with its answer, by the description; a request that it does not know is wrong."""
    method = heard.method.lower()
    found = next(((p, m) for pattern, p, m in _operations() if m == method and pattern.match(heard.path)), None)
    if found is None:
        return [f"{heard.method} {heard.path} is not in the description"]
    path, told = found[0], description()["paths"][found[0]][method]
    base = f"paths/{path.replace('~', '~0').replace('/', '~1')}/{method}"
    wrong = []
    names = {_parameter(p)["name"] for p in [*told.get("parameters", ()), *description()["paths"][path].get("parameters", ())]}
    wrong += [f"there is no parameter {q}" for q in heard.query if q not in names]
    if heard.body is not None and heard.status != 422:
        wrong += _errors(f"{base}/requestBody/content/application~1json/schema", heard.body, "request")
    answers = told["responses"]
    if str(heard.status) not in answers:
        return [*wrong, f"{heard.status} is no answer of {heard.method} {path}"]
    if "$ref" in answers[str(heard.status)]:
        pointer = answers[str(heard.status)]["$ref"].removeprefix("#/")
        content = description()["components"]["responses"][pointer.rsplit("/", 1)[1]].get("content", {})
    else:
        pointer, content = f"{base}/responses/{heard.status}", answers[str(heard.status)].get("content", {})
    if "application/json" in content:
        wrong += _errors(f"{pointer}/content/application~1json/schema", heard.answer, "answer")
    return [f"{heard.method} {path}: {w}" for w in wrong]


def _parameter(told: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in told:
        return dict(description()["components"]["parameters"][told["$ref"].rsplit("/", 1)[1]])
    return told


def _errors(pointer: str, value: Any, what: str) -> list[str]:
    quoted = pointer.replace("{", "%7B").replace("}", "%7D")
    return [f"{what} {'/'.join(map(str, e.path))}: {e.message[:200]}" for e in list(_validator(quoted).iter_errors(value))[:5]]


@functools.cache
def webhooks() -> dict[str, Any]:
    return dict(_file("webhooks-schemas/schema.json"))


def webhook_problems(name: str, payload: Any) -> list[str]:
    """What is wrong with a delivery (`pull_request$opened`), by the schemas of webhooks."""
    schema = {**webhooks(), "oneOf": [{"$ref": f"#/definitions/{name}"}]}
    return [f"{name} {'/'.join(map(str, e.path))}: {e.message[:200]}" for e in Draft7Validator(schema).iter_errors(payload)]


def examples(name: str) -> list[Any]:
    """GitHub's own example payloads of an event."""
    return [e for event in _file("webhooks-examples/api.github.com/index.json") if event["name"] == name for e in event["examples"]]
