"""Tokens of the gym: issued for its service principal, signed so that a wrong one is refused.

Source: the client credentials flow, https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

from iac_agent.gym import faults
from iac_agent.gym.store import Body

TENANT = "00000000-0000-0000-0000-000000000001"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000004"
CLIENT_ID = "11111111-0000-0000-0000-000000000001"
OBJECT_ID = "22222222-0000-0000-0000-000000000001"
SECRET = "gym-secret"
LIFETIME = 24 * 3600


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _signature(key: bytes, signed: str) -> str:
    return _encode(hmac.new(key, signed.encode(), hashlib.sha256).digest())


def issue(key: bytes, audience: str, *, client_id: str = CLIENT_ID, object_id: str = OBJECT_ID) -> str:
    """A bearer token for a service principal."""
    now = int(time.time())
    claims = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{TENANT}/",
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME,
        "appid": client_id,
        "idtyp": "app",
        "oid": object_id,
        "sub": object_id,
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


def token_for(key: bytes, form: Body, audience: str) -> tuple[int, Body]:
    """Answer the token endpoint: status and body."""
    if form.get("client_id") != CLIENT_ID:
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
        "expires_in": LIFETIME,
        "ext_expires_in": LIFETIME,
        "access_token": issue(key, audience),
    }
