"""Asking a gym about itself, with the standard library only, so that `gym status` stays quick."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from iac_agent.gym import identity


def ask(endpoint: str, authority: Path, path: str, method: str = "GET", body: object = None) -> dict[str, object] | None:
    """The JSON answer of the gym, signed in as its service principal; None when it does not answer."""
    place = urlsplit(endpoint)
    try:
        context = ssl.create_default_context(cafile=str(authority))
        connection = http.client.HTTPSConnection(place.hostname or "localhost", place.port, context=context, timeout=10)
        headers = {"authorization": f"Bearer {_token(connection)}"} if path.startswith("/gym/") else {}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
    except (OSError, http.client.HTTPException):
        return None
    return json.loads(text or b"{}") if answer.status == 200 else None


def _token(connection: http.client.HTTPSConnection) -> str:
    form = {"client_id": identity.CLIENT_ID, "client_secret": identity.SECRET, "grant_type": "client_credentials"}
    connection.request("POST", f"/{identity.TENANT}/oauth2/v2.0/token", urlencode(form))
    return str(json.loads(connection.getresponse().read()).get("access_token", ""))
