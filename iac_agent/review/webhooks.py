"""Deliveries of the forges: which are theirs, which were seen before, and what they say.

Nothing of a delivery is believed before its signature is checked. What identifies it is the SHA-256 of the signed body: the id in its
headers is not signed, so a replay may bear any. Sources: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries,
https://docs.gitlab.com/user/project/integrations/webhooks, https://learn.microsoft.com/azure/devops/service-hooks/services/webhooks
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LARGEST = 25 * 1024 * 1024  # GitHub sends no more
_KIND = {"github": "x-github-event", "gitlab": "x-gitlab-event"}


@dataclass(frozen=True)
class Delivery:
    """A delivery that is genuine: the kind of its event, its content, and what it is known by."""

    kind: str
    payload: dict[str, Any]
    key: str


def genuine(forge: str, headers: Mapping[str, str], raw: bytes, secret: str) -> bool:
    """Whether the forge sent this body. `headers` have lower-case names."""
    if forge == "github":
        expected = "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), headers.get("x-hub-signature-256", "").encode())
    if forge == "gitlab":
        return hmac.compare_digest(secret.encode(), headers.get("x-gitlab-token", "").encode())
    try:
        kind, _, told = headers.get("authorization", "").partition(" ")
        password = base64.b64decode(told, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return False
    return kind.lower() == "basic" and hmac.compare_digest(secret.encode(), password)


def read(forge: str, headers: Mapping[str, str], raw: bytes) -> Delivery | None:
    """A genuine delivery; None for a body that is no JSON object."""
    try:
        payload = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(payload, dict):
        return None
    kind = headers.get(_KIND[forge], "") if forge in _KIND else str(payload.get("eventType", ""))
    return Delivery(kind, payload, hashlib.sha256(forge.encode() + b"\n" + raw).hexdigest())
