"""ARM's error answers as our errors: one place for every client.

Source: the error body of the ARM common types, `{"error": {"code", "message", "target", "details"}}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from iac_agent.errors import ArmFault, AzureDenied, AzureError, AzureNotFound, AzureRejected, AzureThrottled

# 404 that says nothing of the resource: the scope itself is not visible to who asks.
_NO_SCOPE = ("SubscriptionNotFound", "InvalidSubscriptionId", "InvalidTenantId")
_HINTS = {
    401: "Sign in again; the token may have expired.",
    403: "The principal needs a role on this scope.",
    409: "Something else holds or uses the resource.",
}


def error_for(status: int, body: Any, target: str, headers: Mapping[str, str] | None = None) -> AzureError:
    """The error for an answer of 400 and above. `body` is the parsed or raw answer; `target` what was asked for."""
    code, message = _code_and_message(body)
    fault = ArmFault(status, code, message, target, dict(headers or {}))
    text = f"{target}: {status} {code}: {message}".rstrip(": ")
    kinds = {401: AzureDenied, 403: AzureDenied, 404: AzureNotFound, 429: AzureThrottled}
    if code in _NO_SCOPE:
        return AzureDenied(text, fault, hint="Sign in to the subscription that the state is about: ARM_SUBSCRIPTION_ID.")
    return kinds.get(status, AzureRejected)(text, fault, hint=_HINTS.get(status, ""))


def _code_and_message(body: Any) -> tuple[str, str]:
    if isinstance(body, bytes | str):
        try:
            body = json.loads(body or "{}")
        except ValueError:
            return "", str(body)[:500]
    error = body.get("error", body) if isinstance(body, Mapping) else {}
    if isinstance(error, str):
        return error, str(body.get("error_description", "")) if isinstance(body, Mapping) else ""
    return str(error.get("code") or ""), str(error.get("message") or "")
