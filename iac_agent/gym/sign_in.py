"""What clients ask before they hold a token: the cloud's metadata, OpenID configuration, tokens, managed identity.

Which fields each client needs was observed with azurerm 5.2, az 2.91 and azure-identity.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import Request

from iac_agent.gym import identity
from iac_agent.gym.store import Body


def answer(request: Request, path: str, raw: bytes, key: bytes, base: str, lifetime: int) -> tuple[int, Body] | None:
    """Status and body of a call that needs no token; None for every other."""
    if path == "/metadata/endpoints":
        return 200, _metadata(base)
    if path.lower().endswith("/.well-known/openid-configuration"):
        return 200, _openid(base, path.split("/")[1])
    if path.lower().endswith(("/oauth2/v2.0/token", "/oauth2/token")):
        form = {k: v[-1] for k, v in parse_qs(raw.decode()).items()}
        return identity.token_for(key, form, base, lifetime)
    if path == "/msi/token":
        if request.headers.get("metadata", "").lower() != "true":
            return 400, {"error": "invalid_request", "error_description": "Required metadata header not specified"}
        return 200, {"access_token": identity.issue(key, base, lifetime=lifetime), "token_type": "Bearer", "expires_in": str(lifetime)}
    return None


def _metadata(base: str) -> Body:
    """azurerm refuses any other tenant and identityProvider than these."""
    return {
        "name": "CloudGym",
        "portal": base,
        "resourceManager": f"{base}/",
        "microsoftGraphResourceId": f"{base}/",
        "logAnalyticsResourceId": base,
        "authentication": {"loginEndpoint": base, "audiences": [base], "tenant": "common", "identityProvider": "AAD"},
        "suffixes": {"storage": "storage.localhost", "keyVaultDns": "vault.localhost"},
    }


def _openid(base: str, tenant: str) -> Body:
    return {
        "issuer": f"{base}/{tenant}/v2.0",
        "token_endpoint": f"{base}/{tenant}/oauth2/v2.0/token",
        "authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/authorize",
        "device_authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/devicecode",
        "jwks_uri": f"{base}/{tenant}/discovery/v2.0/keys",
    }
