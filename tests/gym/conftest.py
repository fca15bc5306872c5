"""Unmodified clients of the gym: the azure-mgmt SDKs, and plain HTTPS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.network import NetworkManagementClient

from iac_agent.gym import identity
from iac_agent.gym.daemon import Gym
from tests.conftest import client_options

SUBSCRIPTION = identity.SUBSCRIPTION
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
Call = Callable[..., tuple[int, Any]]


@pytest.fixture
def call(gym: Gym) -> Iterator[Call]:
    """Send a request: method, path, body, headers; returns status and JSON. Signed in unless `token` says otherwise."""
    endpoint = gym.status().endpoint
    pool = urllib3.PoolManager(ca_certs=str(gym.folder / "ca.pem"))
    form = {"client_id": identity.CLIENT_ID, "client_secret": identity.SECRET, "grant_type": "client_credentials"}
    token = pool.request("POST", f"{endpoint}/{identity.TENANT}/oauth2/v2.0/token", fields=form, encode_multipart=False).json()[
        "access_token"
    ]

    def send(method: str, path: str, body: Any = None, *, authorization: str | None = f"Bearer {token}", **headers: str) -> tuple[int, Any]:
        query = "" if "api-version" in path or "?none" in path else f"{'&' if '?' in path else '?'}api-version=2024-03-01"
        given = {k.replace("_", "-"): v for k, v in headers.items()}
        if authorization is not None:
            given["authorization"] = authorization
        answer = pool.request(method, f"{endpoint}{path}{query}", headers=given, **({"json": body} if body is not None else {}))
        return answer.status, answer.json() if answer.data else None

    yield send
    pool.clear()


@pytest.fixture
def group(call: Call) -> str:
    status, _ = call("PUT", GROUP, {"location": "westeurope"})
    assert status == 201
    return GROUP


@pytest.fixture
def options(gym: Gym) -> dict[str, Any]:
    return client_options(gym)


@pytest.fixture
def compute(options: dict[str, Any]) -> Iterator[ComputeManagementClient]:
    with options["credential"], ComputeManagementClient(**options) as client:
        yield client


@pytest.fixture
def network(options: dict[str, Any]) -> Iterator[NetworkManagementClient]:
    with options["credential"], NetworkManagementClient(**options) as client:
        yield client
