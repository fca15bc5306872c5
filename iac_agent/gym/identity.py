"""Who may call the gym: its principals, their tokens, and what their role lets them do.

Tokens are signed, so that a wrong one is refused. Claims are those of Entra ID v1 tokens for ARM; the application ids of Microsoft's own
clients are the real ones. Sources: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference and
https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass

from iac_agent.gym import faults
from iac_agent.gym.store import Body

TENANT = "00000000-0000-0000-0000-000000000001"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000004"
CLIENT_ID = "11111111-0000-0000-0000-000000000001"
OBJECT_ID = "22222222-0000-0000-0000-000000000001"
SECRET = "gym-secret"
LIFETIME = 24 * 3600
PORTAL_APP = "c44b4083-3bb0-49c1-b47d-974e53cbdf3c"
CLI_APP = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"


@dataclass(frozen=True)
class Principal:
    """Someone who signs in: a user (with a `upn`, through one of Microsoft's applications) or an application of its own."""

    name: str
    object_id: str
    app: str
    upn: str = ""
    role: str = "Contributor"

    @property
    def claims(self) -> Body:
        """What sets its tokens apart."""
        if self.upn:
            return {"appid": self.app, "appidacr": "0", "idtyp": "user", "name": self.name, "upn": self.upn, "unique_name": self.upn}
        return {"appid": self.app, "appidacr": "1", "idtyp": "app"}


PRINCIPALS = (
    Principal("terraform", OBJECT_ID, CLIENT_ID, role="Owner"),
    Principal("ops-script", "22222222-0000-0000-0000-000000000002", "11111111-0000-0000-0000-000000000002"),
    Principal("drift-reader", "22222222-0000-0000-0000-000000000003", "11111111-0000-0000-0000-000000000003", role="Reader"),
    Principal("other-pipeline", "22222222-0000-0000-0000-000000000004", "11111111-0000-0000-0000-000000000004"),
    Principal("Alice Moreau", "33333333-0000-0000-0000-000000000001", PORTAL_APP, "alice@contoso.com"),
    Principal("Dana Li", "33333333-0000-0000-0000-000000000003", PORTAL_APP, "dana@contoso.com"),
    Principal("Bob Okafor", "33333333-0000-0000-0000-000000000002", CLI_APP, "bob@contoso.com"),
)


def principal(name: str) -> Principal:
    """The principal with this name, upn or application id. Raises ArmFaultError."""
    wanted = name.lower()
    found = next((p for p in PRINCIPALS if wanted in (p.name.lower(), p.upn.lower()) or (not p.upn and wanted == p.app)), None)
    if found is None:
        known = ", ".join(p.upn or p.name for p in PRINCIPALS)
        raise faults.bad_request("UnknownPrincipal", f"The gym knows no principal {name!r}; it knows {known}.")
    return found


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _signature(key: bytes, signed: str) -> str:
    return _encode(hmac.new(key, signed.encode(), hashlib.sha256).digest())


def issue(key: bytes, audience: str, to: Principal = PRINCIPALS[0], lifetime: int = LIFETIME) -> str:
    """A bearer token."""
    now = int(time.time())
    claims = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{TENANT}/",
        "iat": now,
        "nbf": now,
        "exp": now + lifetime,
        **to.claims,
        "oid": to.object_id,
        "sub": to.object_id,
        "tid": TENANT,
        "ver": "1.0",
    }
    signed = ".".join(_encode(json.dumps(p).encode()) for p in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{_signature(key, signed)}"


def check(key: bytes, header: str | None) -> Body:
    """The claims of an Authorization header. Raises the 401 that ARM answers."""
    if not header or not header.lower().startswith("bearer "):
        raise faults.unauthenticated("Authentication failed. The 'Authorization' header is missing.")
    parts = header[7:].strip().split(".")
    if len(parts) != 3:
        raise faults.unauthenticated("The access token is invalid.", "InvalidAuthenticationToken")
    if not hmac.compare_digest(_signature(key, f"{parts[0]}.{parts[1]}").encode(), parts[2].encode()):
        raise faults.unauthenticated("The access token is from the wrong issuer.", "InvalidAuthenticationTokenTenant")
    padded = parts[1] + "=" * (-len(parts[1]) % 4)
    claims: Body = json.loads(base64.urlsafe_b64decode(padded))
    if claims.get("tid") != TENANT:
        raise faults.unauthenticated("The access token is from the wrong issuer.", "InvalidAuthenticationTokenTenant")
    if claims.get("exp", 0) < time.time():
        raise faults.unauthenticated("The access token expiry UTC time has passed.", "ExpiredAuthenticationToken")
    return claims


_QUERY = re.compile(
    r"^/providers/microsoft\.resourcegraph/|^/subscriptions/[^/]+/metrics:getbatch$|^/v1/workspaces/[^/]+/query$", re.IGNORECASE
)


def only_reads(method: str, path: str) -> bool:
    """Whether a call changes nothing: GET, HEAD, and the queries that are sent with POST."""
    return method in ("GET", "HEAD") or _QUERY.search(path) is not None


def require_role(claims: Body, method: str, path: str) -> None:
    """Raise AuthorizationFailed when a Reader writes."""
    role = next((p.role for p in PRINCIPALS if p.object_id == claims.get("oid")), "Contributor")
    if role == "Reader" and not only_reads(method, path):
        raise faults.forbidden(claims, "action" if method == "POST" else "delete" if method == "DELETE" else "write", path)


def token_for(key: bytes, form: Body, audience: str, lifetime: int = LIFETIME) -> tuple[int, Body]:
    """Answer the token endpoint: status and body."""
    known = next((p for p in PRINCIPALS if not p.upn and p.app == form.get("client_id")), None)
    if known is None:
        return 400, {
            "error": "unauthorized_client",
            "error_description": f"AADSTS700016: Application with identifier '{form.get('client_id')}' was not found in the "
            f"directory '{TENANT}'.",
            "error_codes": [700016],
        }
    if form.get("client_secret") != SECRET:
        return 401, {
            "error": "invalid_client",
            "error_description": "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is "
            "the client secret value, not the client secret ID.",
            "error_codes": [7000215],
        }
    return 200, {
        "token_type": "Bearer",
        "expires_in": lifetime,
        "ext_expires_in": lifetime,
        "access_token": issue(key, audience, known, lifetime),
    }
