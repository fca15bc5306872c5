"""People and scripts that change the gym behind Terraform's back: each with its own sign-in and its own client."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import urllib3

from iac_agent.gym import identity
from iac_agent.gym.daemon import Gym

Body = dict[str, Any]


@dataclass(frozen=True)
class Actor:
    """Who, with what, and how a report names both."""

    principal: str
    agent: str
    who: str
    client: str


ALICE = Actor("alice@contoso.com", "Mozilla/5.0 Microsoft.Portal/1.0", "alice@contoso.com", "Azure Portal")
BOB = Actor("bob@contoso.com", "AZURECLI/2.91.0 azsdk-python-core/1.38.0", "bob@contoso.com", "Azure CLI")
SCRIPT = Actor("ops-script", "azsdk-python-mgmt-compute/37.0.0 Python/3.11", "22222222-0000-0000-0000-000000000002", "Azure SDK for Python")
PIPELINE = Actor("other-pipeline", "HashiCorp Terraform/1.13.0 azurerm", "22222222-0000-0000-0000-000000000004", "Terraform")
ACTORS = (ALICE, BOB, SCRIPT, PIPELINE)


class Azure:
    """ARM calls by an actor, over a real socket."""

    def __init__(self, gym: Gym) -> None:
        self.gym = gym
        self.endpoint = gym.status().endpoint
        self._pool = urllib3.PoolManager(ca_certs=str(gym.folder / "ca.pem"), retries=False)
        self._tokens: dict[str, str] = {}

    def call(self, method: str, path: str, body: Body | None = None, by: Actor = ALICE, api: str = "2025-01-01") -> tuple[int, Body]:
        headers = {"authorization": f"Bearer {self._token(by)}", "user-agent": by.agent, "content-type": "application/json"}
        url = f"{self.endpoint}{path}{'&' if '?' in path else '?'}api-version={api}"
        answer = self._pool.request(method, url, body=None if body is None else json.dumps(body), headers=headers)
        return answer.status, answer.json() if answer.data else {}

    def done(self, method: str, path: str, body: Body | None = None, by: Actor = ALICE) -> Body:
        """The same; it must succeed."""
        status, answer = self.call(method, path, body, by)
        assert status < 300, f"{method} {path}: {status} {answer}"
        return answer

    def _token(self, by: Actor) -> str:
        if by.principal not in self._tokens:
            own = self._pool.request(
                "POST",
                f"{self.endpoint}/{identity.TENANT}/oauth2/v2.0/token",
                fields={"client_id": identity.CLIENT_ID, "client_secret": identity.SECRET, "grant_type": "client_credentials"},
                encode_multipart=False,
            ).json()["access_token"]
            url = f"{self.endpoint}/gym/token?principal={quote(by.principal)}"
            self._tokens[by.principal] = self._pool.request("GET", url, headers={"authorization": f"Bearer {own}"}).json()["access_token"]
        return self._tokens[by.principal]
