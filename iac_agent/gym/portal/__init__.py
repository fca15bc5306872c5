"""The portal: a web page over the gym, on which a person lists, opens, changes, creates and deletes resources.

The page calls the same ARM as everybody, with the token of a user that the portal signed in. Only the page itself, who may sign in, and
the sign-in are served here.
"""

from __future__ import annotations

from pathlib import Path

from starlette.responses import FileResponse, JSONResponse, Response

from iac_agent.gym import identity

_FILES = {"": "index.html", "portal.js": "portal.js", "portal.css": "portal.css"}
_HEADERS = {"content-security-policy": "default-src 'self'; img-src data:", "cache-control": "no-store"}


def answer(path: str, query: dict[str, str], key: bytes, audience: str) -> Response | None:
    """The page, its files, its users, or a token for one of them; None for a path that is not the portal's."""
    if path.rstrip("/") != "/portal" and not path.startswith("/portal/"):
        return None
    name = path.removeprefix("/portal").strip("/")
    people = [p for p in identity.PRINCIPALS if p.app == identity.PORTAL_APP]
    if name == "users":
        told = {"users": [p.upn for p in people], "tenant": identity.TENANT, "subscription": identity.SUBSCRIPTION}
        return JSONResponse(told, headers=_HEADERS)
    if name == "token":
        person = next((p for p in people if p.upn == query.get("user")), None)
        if person is None:
            return JSONResponse({"error": f"{query.get('user')!r} has no account here"}, 400, headers=_HEADERS)
        return JSONResponse({"access_token": identity.issue(key, audience, person)}, headers=_HEADERS)
    if name in _FILES:
        return FileResponse(Path(__file__).parent / _FILES[name], headers=_HEADERS)
    return Response("There is no such page.", 404, media_type="text/plain")
