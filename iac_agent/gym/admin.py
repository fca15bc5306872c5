"""Asking a gym about itself, with the standard library only, so that `gym status` stays quick."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from iac_agent.errors import GymError
from iac_agent.gym import identity


def ask(endpoint: str, authority: Path, path: str, method: str = "GET", body: object = None) -> dict[str, object] | None:
    """The JSON answer of the gym, signed in as its service principal; None when it does not answer, or refuses."""
    try:
        status, found = _sent(endpoint, authority, path, method, body)
    except (OSError, http.client.HTTPException):
        return None
    return found if status == 200 else None


def asked(endpoint: str, authority: Path, path: str, method: str, body: object = None) -> dict[str, Any]:
    """As `ask`, but raises GymError with the reason."""
    try:
        status, found = _sent(endpoint, authority, path, method, body)
    except (OSError, http.client.HTTPException) as problem:
        raise GymError("the gym does not answer", hint="Start it with `iacagent gym up`.") from problem
    if status != 200:
        raise GymError(str(found.get("error", {}).get("message", f"the gym answers {status}")))
    return found


def _sent(endpoint: str, authority: Path, path: str, method: str, body: object) -> tuple[int, dict[str, Any]]:
    place = urlsplit(endpoint)
    context = ssl.create_default_context(cafile=str(authority))
    connection = http.client.HTTPSConnection(place.hostname or "localhost", place.port, context=context, timeout=10)
    with contextlib.closing(connection):
        headers = {"authorization": f"Bearer {_token(connection)}"} if path.startswith("/gym/") else {}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")


def _token(connection: http.client.HTTPSConnection) -> str:
    form = {"client_id": identity.CLIENT_ID, "client_secret": identity.SECRET, "grant_type": "client_credentials"}
    connection.request("POST", f"/{identity.TENANT}/oauth2/v2.0/token", urlencode(form))
    return str(json.loads(connection.getresponse().read()).get("access_token", ""))
