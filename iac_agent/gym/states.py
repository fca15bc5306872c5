"""A place to keep state over HTTP, at `/state/NAME`: what Terraform's http backend talks to, locks included.

Source: https://developer.hashicorp.com/terraform/language/backend/http
"""

from __future__ import annotations

import base64
import json

from starlette.requests import Request
from starlette.responses import Response

from iac_agent.gym import identity
from iac_agent.gym.store import Blob, Store

PREFIX = "/state/"


def answer(store: Store, request: Request, raw: bytes) -> Response:
    """One request. Callers sign in as the gym's own application, with its id and secret (HTTP basic)."""
    given = request.headers.get("authorization", "").removeprefix("Basic ")
    if given != base64.b64encode(f"{identity.CLIENT_ID}:{identity.SECRET}".encode()).decode():
        return Response("Sign in with the gym's client id and secret.", 401, {"www-authenticate": "Basic"})
    key = f"http/{request.url.path.removeprefix(PREFIX)}"
    held = store.blob(key) or Blob(b"")
    match request.method:
        case "GET":
            return Response(held.data, 200, media_type="application/json") if held.data else Response(b"", 404)
        case "LOCK":
            if held.lease:
                return Response(held.lease, 423, media_type="application/json")
            held.lease = raw.decode()
        case "UNLOCK":
            if raw and held.lease and _id(raw.decode()) != _id(held.lease):
                return Response(held.lease, 409, media_type="application/json")
            held.lease = ""
        case "POST":
            if held.lease and request.query_params.get("ID") != _id(held.lease):
                return Response(held.lease, 423, media_type="application/json")
            held.data = raw
        case "DELETE":
            held.data = b""
        case _:
            return Response(b"", 405)
    store.save_blob(key, held)
    return Response(b"", 200)


def _id(lock: str) -> str:
    try:
        return str(json.loads(lock).get("ID", ""))
    except ValueError:
        return ""
