"""The blob endpoint of storage accounts, as far as Terraform's azurerm backend and the storage SDK need it to keep state: block blobs with
metadata and leases, at `/blob/ACCOUNT/CONTAINER/BLOB`.

Clients sign in with an account key or a token; containers are the ARM resources of the account. Sources:
https://learn.microsoft.com/rest/api/storageservices/lease-blob, .../put-blob, .../authorize-with-shared-key (version 2023-11-03).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from dataclasses import dataclass
from email.utils import format_datetime
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

from iac_agent.gym import identity
from iac_agent.gym.cloud import Cloud
from iac_agent.gym.faults import ArmFaultError
from iac_agent.gym.services.storage import account_keys
from iac_agent.gym.store import Blob, Resource

PREFIX = "/blob/"
_META = "x-ms-meta-"
_SIGNED = ("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date")
_SIGNED_LAST = ("if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range")


class _Fault(Exception):
    """An answer of 400 and above, with the service's error code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass
class Blobs:
    """The blob service of every account of one gym. `key` signs the tokens of its principals."""

    cloud: Cloud
    key: bytes

    def answer(self, request: Request, raw: bytes) -> Response:
        """One request below `/blob/`."""
        try:
            done = self._answered(request, raw)
        except _Fault as fault:
            body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{fault.code}</Code><Message>{fault.code}</Message></Error>'
            content = "" if request.method == "HEAD" else body
            done = Response(content, fault.status, {"x-ms-error-code": fault.code}, media_type="application/xml")
        done.headers.update({"x-ms-request-id": str(uuid.uuid4()), "x-ms-version": request.headers.get("x-ms-version", "2023-11-03")})
        return done

    def _answered(self, request: Request, raw: bytes) -> Response:
        path = str(request.scope.get("raw_path", b"").decode() or request.url.path).split("?")[0]
        account_name, _, rest = path.removeprefix(PREFIX).partition("/")
        account = next((a for a in self.cloud.store.of_type("Microsoft.Storage/storageAccounts") if a.body["name"] == account_name), None)
        if account is None:
            raise _Fault(404, "ResourceNotFound")
        self._require_signed(request, account, path)
        container, _, name = unquote(rest).partition("/")
        if self.cloud.find(f"{account.id}/blobServices/default/containers/{container}") is None:
            raise _Fault(404, "ContainerNotFound")
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        if not name:
            return self._listed(account_name, container, query)
        return self._on_blob(request, f"{account_name}/{container}/{name}", query.get("comp", ""), raw)

    # --- who asks --------------------------------------------------------------------------------------------------

    def _require_signed(self, request: Request, account: Resource, path: str) -> None:
        given = request.headers.get("authorization", "")
        if given.lower().startswith("bearer "):
            try:
                identity.check(self.key, given)
            except ArmFaultError as fault:
                raise _Fault(401, "InvalidAuthenticationInfo") from fault
            return
        name = str(account.body["name"])
        signatures = (f"SharedKey {name}:{_signature(request, name, path, key)}" for key in account_keys(account))
        if not any(hmac.compare_digest(given, s) for s in signatures):
            raise _Fault(403, "AuthenticationFailed")

    # --- what is asked ---------------------------------------------------------------------------------------------

    def _listed(self, account: str, container: str, query: dict[str, str]) -> Response:
        if query.get("comp") != "list":
            return Response(b"", 200, {"x-ms-lease-status": "unlocked"})
        prefix = f"{account}/{container}/"
        found = self.cloud.store.blobs(prefix + query.get("prefix", ""))
        entries = "".join(
            f"<Blob><Name>{escape(key.removeprefix(prefix))}</Name><Properties><Content-Length>{len(blob.data)}</Content-Length>"
            "<BlobType>BlockBlob</BlobType></Properties></Blob>"
            for key, blob in found.items()
        )
        text = (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{container}">'
            f"<Prefix>{escape(query.get('prefix', ''))}</Prefix><Blobs>{entries}</Blobs><NextMarker/></EnumerationResults>"
        )
        return Response(text, media_type="application/xml")

    def _on_blob(self, request: Request, key: str, part: str, raw: bytes) -> Response:
        method, held = request.method, self.cloud.store.blob(key)
        if held is None and (method != "PUT" or part):
            raise _Fault(404, "BlobNotFound")
        if part == "lease" and held is not None:
            return self._lease(request, key, held)
        self._require_lease(request, held)
        match method, part:
            case "GET" | "HEAD", "":
                assert held is not None
                content = held.data if method == "GET" else b""
                return Response(content, 200, {**_headers(held), "content-length": str(len(held.data))}, media_type=held.kind)
            case "PUT", "" | "metadata":
                return self._put(request, key, held, raw if not part else None)
            case "PUT", "snapshot":
                return Response(b"", 201, {"x-ms-snapshot": self.cloud.now().isoformat()})
            case "DELETE", "":
                self.cloud.store.drop_blob(key)
                return Response(b"", 202)
        raise _Fault(501, "NotImplemented")

    def _put(self, request: Request, key: str, held: Blob | None, data: bytes | None) -> Response:
        """A new content, or (with `data` None) new metadata only. Either way all metadata are those of the request."""
        metadata = {k.removeprefix(_META): v for k, v in request.headers.items() if k.startswith(_META)}
        stamp = format_datetime(self.cloud.now(), usegmt=True)
        kind = request.headers.get("x-ms-blob-content-type") or (held.kind if held else "application/octet-stream")
        lease, content = (held.lease, held.data) if held else ("", b"")
        made = Blob(content if data is None else data, metadata, lease, kind, f'"0x{uuid.uuid4().hex[:16].upper()}"', stamp)
        self.cloud.store.save_blob(key, made)
        return Response(b"", 200 if data is None else 201, _headers(made))

    def _lease(self, request: Request, key: str, held: Blob) -> Response:
        action, given = request.headers.get("x-ms-lease-action", ""), request.headers.get("x-ms-lease-id", "")
        if action == "acquire":
            wanted = request.headers.get("x-ms-proposed-lease-id") or str(uuid.uuid4())
            if held.lease and held.lease != wanted:
                raise _Fault(409, "LeaseAlreadyPresent")
            held.lease = wanted
        elif action == "break":
            held.lease = ""
        elif not held.lease or given != held.lease:
            raise _Fault(409, "LeaseIdMismatchWithLeaseOperation")
        elif action == "release":
            held.lease = ""
        elif action != "renew":
            raise _Fault(501, "NotImplemented")
        self.cloud.store.save_blob(key, held)
        status = {"acquire": 201, "break": 202}.get(action, 200)
        extra = {"x-ms-lease-time": "0"} if action == "break" else {"x-ms-lease-id": held.lease} if held.lease else {}
        return Response(b"", status, {"etag": held.etag, "last-modified": held.modified, **extra})

    @staticmethod
    def _require_lease(request: Request, held: Blob | None) -> None:
        """Raise where the lease a request names, or does not name, is not the blob's."""
        given = request.headers.get("x-ms-lease-id", "")
        if held is None:
            return
        if given and not held.lease:
            raise _Fault(412, "LeaseNotPresentWithBlobOperation")
        if given and given != held.lease:
            raise _Fault(412, "LeaseIdMismatchWithBlobOperation")
        if held.lease and not given and request.method in ("PUT", "DELETE"):
            raise _Fault(412, "LeaseIdMissing")


def _headers(blob: Blob) -> dict[str, str]:
    leased = {"x-ms-lease-status": "locked", "x-ms-lease-state": "leased", "x-ms-lease-duration": "infinite"}
    free = {"x-ms-lease-status": "unlocked", "x-ms-lease-state": "available"}
    return {
        "etag": blob.etag,
        "last-modified": blob.modified,
        "x-ms-blob-type": "BlockBlob",
        **(leased if blob.lease else free),
        **{f"{_META}{k}": v for k, v in blob.metadata.items()},
    }


def _signature(request: Request, account: str, path: str, key: str) -> str:
    """The signature of a request under an account key. The account stands twice in front of a path-style path."""
    given = request.headers
    length = {"content-length": "" if given.get("content-length") == "0" else given.get("content-length", "")}
    dated = {"date": ""} if "x-ms-date" in given else {}
    first = [{**dict(given), **length, **dated}.get(name, "") for name in _SIGNED]
    own = "".join(f"{name}:{given[name].strip()}\n" for name in sorted(set(given.keys())) if name.startswith("x-ms-"))
    query = "".join(f"\n{k.lower()}:{v}" for k, v in sorted(parse_qsl(request.url.query, keep_blank_values=True)))
    lines = [request.method, *first, *(given.get(name, "") for name in _SIGNED_LAST)]
    text = "\n".join(lines) + f"\n{own}/{account}{path}{query}"
    return base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()
