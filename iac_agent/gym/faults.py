"""ARM's errors in ARM's words. Each function returns the exception to raise.

Sources: the recordings of azure-cli (`command_modules/*/tests/latest/recordings`), the error reference at
https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors, and azure-rest-api-specs.
"""

from __future__ import annotations

import re
from typing import Any


class ArmFaultError(Exception):
    """An error answer: HTTP status, code, message, extra headers, and where a service tells more in an inner error, that."""

    def __init__(self, status: int, code: str, message: str, *, headers: dict[str, str] | None = None, inner: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers, self.inner = status, code, message, headers or {}, inner

    @property
    def body(self) -> dict[str, Any]:
        inner = {"innererror": {"code": "SyntaxError", "message": self.inner}} if self.inner else {}
        return {"error": {"code": self.code, "message": self.message, **inner}}


def not_emulated(what: str) -> ArmFaultError:
    return ArmFaultError(501, "NotEmulated", f"The gym does not emulate {what}. Nothing was done.")


def resource_not_found(path: str, group: str) -> ArmFaultError:
    short = re.split("/providers/", path, flags=re.IGNORECASE)[-1]
    parts = short.split("/")
    kind = "/".join([parts[0], *parts[1::2]])
    name = "/".join(parts[2::2])
    return ArmFaultError(
        404,
        "ResourceNotFound",
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def group_not_found(group: str) -> ArmFaultError:
    return ArmFaultError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")


def subscription_not_found(subscription: str) -> ArmFaultError:
    return ArmFaultError(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")


def parent_not_found(parent: str, child: str) -> ArmFaultError:
    return ArmFaultError(
        404,
        "ParentResourceNotFound",
        f"Failed to perform 'write' on resource(s) of type '{child}', because the parent resource '{parent}' could not be found.",
    )


def missing_api_version() -> ArmFaultError:
    return ArmFaultError(
        400,
        "MissingApiVersionParameter",
        "The api-version query parameter (?api-version=) is required for all requests.",
    )


def invalid_content(detail: str) -> ArmFaultError:
    return ArmFaultError(400, "InvalidRequestContent", f"The request content was invalid and could not be deserialized: '{detail}'.")


def invalid_reference(target: str, holder: str) -> ArmFaultError:
    return ArmFaultError(
        400,
        "InvalidResourceReference",
        f"Resource {target} referenced by resource {holder} was not found. Please make sure that the referenced resource "
        "exists, and that both resources are in the same region.",
    )


def location_required(kind: str) -> ArmFaultError:
    return ArmFaultError(400, "LocationRequired", f"The location property is required for this definition ({kind}).")


def location_unknown(location: str, kind: str, known: list[str]) -> ArmFaultError:
    return ArmFaultError(
        400,
        "LocationNotAvailableForResourceType",
        f"The provided location '{location}' is not available for resource type '{kind}'. "
        f"List of available regions for the resource type is '{','.join(known)}'.",
    )


def location_conflict(name: str, there: str, group: str, asked: str) -> ArmFaultError:
    return ArmFaultError(
        409,
        "InvalidResourceLocation",
        f"The resource '{name}' already exists in location '{there}' in resource group '{group}'. A resource with the same "
        f"name cannot be created in location '{asked}'. Please select a new resource name.",
    )


def group_location_conflict(group: str, there: str, asked: str) -> ArmFaultError:
    return ArmFaultError(
        409,
        "InvalidResourceGroupLocation",
        f"Invalid resource group location '{asked}'. The Resource group already exists in location '{there}'.",
    )


def locked(action: str, path: str, lock: str) -> ArmFaultError:
    verb = "delete" if action == "delete" else "write"
    return ArmFaultError(
        409,
        "ScopeLocked",
        f"The scope '{path}' cannot perform {verb} operation because following scope(s) are locked: '{lock}'. "
        "Please remove the lock and try again.",
    )


def precondition_failed(path: str) -> ArmFaultError:
    return ArmFaultError(412, "PreconditionFailed", f"Precondition failed. The ETag sent for {path} does not match the current one.")


def unauthenticated(message: str, code: str = "AuthenticationFailed") -> ArmFaultError:
    realm = {"WWW-Authenticate": 'Bearer authorization_uri="https://login.windows.net/", error="invalid_token"'}
    return ArmFaultError(401, code, message, headers=realm)


def conflict(code: str, message: str) -> ArmFaultError:
    return ArmFaultError(409, code, message)


def bad_request(code: str, message: str) -> ArmFaultError:
    return ArmFaultError(400, code, message)


def forbidden(claims: dict[str, Any], action: str, path: str) -> ArmFaultError:
    who = claims.get("upn") or claims.get("appid")
    return ArmFaultError(
        403,
        "AuthorizationFailed",
        f"The client '{who}' with object id '{claims.get('oid')}' does not have authorization to perform action '{action}' over scope "
        f"'{path}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
    )


def throttled(seconds: int) -> ArmFaultError:
    return ArmFaultError(
        429,
        "SubscriptionRequestsThrottled",
        f"Number of requests for subscription exceeded the limit. Please try again after '{seconds}' seconds.",
        headers={"Retry-After": str(seconds)},
    )
