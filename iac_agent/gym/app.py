"""The ARM endpoint: one Starlette app that authenticates, finds the operation a path means, and answers as ARM does.

What no service claims is answered with 501 NotEmulated, never with an empty success.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import format_datetime
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from iac_agent.azure.ids import ResourceId, group_id
from iac_agent.errors import UsageError
from iac_agent.gym import activity, blobs, changes, control, faults, identity, portal, sign_in, states
from iac_agent.gym.cloud import Caller, Cloud, ResourceType
from iac_agent.gym.faults import ArmFaultError
from iac_agent.gym.life import alerts
from iac_agent.gym.life.delivery import Delivery
from iac_agent.gym.limits import Limits
from iac_agent.gym.services import Call, Services, deployments, machines, page
from iac_agent.gym.store import Body, Resource

_METHODS = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "LOCK", "UNLOCK"]
_ALERTS_EVERY = 5.0


@dataclass
class Answer:
    """Status, JSON body (an object, an array, ready bytes or None) and extra headers."""

    status: int
    body: Body | list[Body] | bytes | None = None
    headers: dict[str, str] | None = None

    def response(self) -> Response:
        content = self.body if isinstance(self.body, bytes) else b"" if self.body is None else json.dumps(self.body).encode()
        headers = {"x-ms-request-id": str(uuid.uuid4()), **(self.headers or {})}
        return Response(content, self.status, headers, media_type="application/json")


class ArmApp:
    """The application over one cloud. `key` signs tokens; `host` is `localhost:PORT`."""

    def __init__(self, cloud: Cloud, services: Services, key: bytes, host: str) -> None:
        self.cloud, self.services, self.key, self.host = cloud, services, key, host
        self.limits = Limits(cloud.store)
        self.blobs = blobs.Blobs(cloud, key)
        self.delivery = Delivery(cloud)

    def starlette(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self.handle, methods=_METHODS)], lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Alert rules are looked at all the time, as long as the gym is up."""
        watching = asyncio.create_task(self._watch())
        yield
        watching.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_ALERTS_EVERY)
            self.raise_alerts()

    def raise_alerts(self) -> None:
        """Bring the alerts up to now and deliver what is new."""
        self.delivery.send(alerts.evaluate(self.cloud))

    async def handle(self, request: Request) -> Response:
        raw = await request.body()
        if not request.url.path.startswith("/gym/"):
            delay = self.limits.delay(request.method, request.url.path)
            if delay:
                await asyncio.sleep(delay)
        try:
            beside = self._beside(request, raw)
            return beside or self._dated(self._answer(request, raw).response())
        except ArmFaultError as refusal:
            fault = refusal
        except UsageError:
            fault = faults.not_emulated(f"{request.method} {request.url.path}")
        except (TypeError, AttributeError, KeyError, ValueError, IndexError, AssertionError, RecursionError) as problem:
            logging.getLogger(__name__).exception("%s %s", request.method, request.url.path)
            fault = faults.invalid_content(f"a value has the wrong type or is missing: {problem!r}")
        return self._dated(Answer(fault.status, fault.body, fault.headers).response())

    def _dated(self, response: Response) -> Response:
        response.headers["date"] = format_datetime(self.cloud.now(), usegmt=True)
        return response

    def _beside(self, request: Request, raw: bytes) -> Response | None:
        """What is served beside ARM: the portal, the blob endpoint, a place for states."""
        path = request.url.path
        if path.startswith(blobs.PREFIX):
            return self.blobs.answer(request, raw)
        if path.startswith(machines.CONSOLE):
            found = machines.console_file(self.cloud, path)
            return Response(found[0], media_type=found[1]) if found else Response(status_code=404)
        if path.startswith(states.PREFIX):
            return states.answer(self.cloud.store, request, raw)
        return portal.answer(path, dict(request.query_params), self.key, f"https://{self.host}")

    def _answer(self, request: Request, raw: bytes) -> Answer:
        path = _plain(request.path_params["path"])
        lifetime = int(self.cloud.store.setting("token_seconds", identity.LIFETIME))
        before = sign_in.answer(request, path, raw, self.key, f"https://{self.host}", lifetime)
        if before is not None:
            return Answer(*before)
        claims = identity.check(self.key, request.headers.get("authorization"))
        query = {k.lower(): v[-1] for k, v in parse_qs(request.url.query, keep_blank_values=True).items()}
        if path.startswith("/gym/"):
            body = _json(raw) if raw else {}
            told = control.answer(self.cloud, self.limits, self.key, request.method, path, body, query)
            if request.method != "GET":
                self.raise_alerts()
            return Answer(200, told)
        headers = self.limits.admit(claims, request.method, path, time.monotonic())
        identity.require_role(claims, request.method, path)
        self._require_allowed(claims, path)
        if "api-version" not in query and not path.startswith("/v1/"):
            raise faults.missing_api_version()
        body = _json(raw) if request.method in ("PUT", "PATCH", "POST") and raw else {}
        caller = Caller(
            claims,
            request.headers.get("user-agent", ""),
            request.client.host if request.client else "",
            request.headers.get("x-ms-correlation-request-id") or str(uuid.uuid4()),
        )
        call = Call(self.cloud, path, query, body, caller)
        if _subscription(path) not in ("", identity.SUBSCRIPTION):
            raise faults.subscription_not_found(_subscription(path))
        answer = self._route(request, call)
        answer.headers = {**headers, "x-ms-correlation-request-id": caller.correlation, **(answer.headers or {})}
        return answer

    def _require_allowed(self, claims: Body, path: str) -> None:
        """Raise AuthorizationFailed below a scope of the setting `forbidden`; its owner still sees it."""
        owner = claims.get("oid") == identity.OBJECT_ID
        scopes: list[str] = self.cloud.store.setting("forbidden", [])
        if not owner and any(f"{path.lower()}/".startswith(f"{s.lower()}/") for s in scopes):
            raise faults.forbidden(claims, "read", path)

    # --- ARM -------------------------------------------------------------------------------------------------------

    def _route(self, request: Request, call: Call) -> Answer:
        method = request.method
        special = self._special(method, call)
        if special is not None:
            return special
        operation = re.search(r"/(?:operations|operationresults)/([0-9a-f-]{36})$", call.path, re.IGNORECASE)
        if operation and method == "GET":
            return self._operation(operation[1], call.path)
        listing = self._listing(call) if method == "GET" else None
        if listing is not None:
            return listing
        rid = ResourceId.parse(call.path)
        match method:
            case "GET" | "HEAD":
                return self._get(rid, head=method == "HEAD")
            case "PUT":
                return self._put(rid, call, request)
            case "PATCH":
                return self._patch(rid, call, request)
            case "DELETE":
                return self._delete(rid, call, request)
        raise faults.not_emulated(f"{method} {call.path}")

    def _special(self, method: str, call: Call) -> Answer | None:
        """An operation that a service claims: actions, and reads and writes that are no resource of their own."""
        found = self.services.find(method, call)
        if found is None:
            return None
        operation, parts = found
        if identity.only_reads(method, call.path):
            return Answer(*operation.run(call, parts))
        with self.cloud.store.transaction() as touched:
            status, body = operation.run(call, parts)
            if not call.path.lower().endswith("keys"):
                self.cloud.require_unlocked(call.path.rsplit("/", 1)[0], "write")
            self._record_changes(call, touched, _operation(method, call.path))
        self._log_action(method, call, status)
        if operation.slow:
            rid = ResourceId.parse(call.path.rsplit("/", 1)[0])
            return Answer(202, None, self._started(call, rid, body if isinstance(body, dict) else None))
        if method == "PUT" and deployments.is_deployment(call.path):
            return Answer(status, body, deployments.status_url(self.cloud.endpoint, call.path, call.query["api-version"]))
        return Answer(status, body)

    def _get(self, rid: ResourceId, *, head: bool) -> Answer:
        self.cloud.kind(rid)
        found = self.cloud.find(rid.text)
        if found is None:
            raise self._missing(rid)
        if head:
            return Answer(204)
        if isinstance(found, Resource):
            shown = self.cloud.shown(found)
            return Answer(200, shown if shown is not None else self.cloud.store.rendered(found))
        return Answer(200, found)

    def _missing(self, rid: ResourceId) -> ArmFaultError:
        if rid.types == ("resourceGroups",):
            return faults.group_not_found(rid.name)
        if rid.resource_group and self.cloud.store.get(rid.text.lower().split("/providers/")[0]) is None:
            return faults.group_not_found(rid.resource_group)
        return faults.resource_not_found(rid.text, rid.resource_group)

    def _put(self, rid: ResourceId, call: Call, request: Request) -> Answer:
        kind = self.cloud.kind(rid)
        self._check_etag(rid, request)
        self._check_names(rid, call.body)
        try:
            with self.cloud.store.transaction() as touched:
                body, created = self.cloud.put(rid, call.body, call.caller)
                if created and self.limits.fails_half_way(rid.text):
                    return self._failed_half_way(call, rid, kind, body)
                self._record_changes(call, touched, f"{rid.type}/write")
        except ArmFaultError as fault:
            self._log(call, rid, "write", "Failed", "PUT", fault.status)
            raise
        status = kind.created if created else 200
        self._log(call, rid, "write", "Succeeded", "PUT", status)
        return Answer(status, body, self._long_running(call, rid, kind))

    def _failed_half_way(self, call: Call, rid: ResourceId, kind: ResourceType, body: Body) -> Answer:
        """The resource is there, but failed; so does the operation, where the type has one."""
        made = self.cloud.store.get(rid.text)
        if made is not None:
            body = {**body, "properties": {**body.get("properties", {}), "provisioningState": "Failed"}}
            self.cloud.store.save(Resource(made.id, body, made.hidden))
        self._log(call, rid, "write", "Failed", "PUT", 500)
        fault = ArmFaultError(500, "InternalExecutionError", "An internal execution error occurred. Please retry later.")
        if not kind.slow:
            raise fault
        return Answer(kind.created, body, self._started(call, rid, error=fault.body["error"]))

    def _patch(self, rid: ResourceId, call: Call, request: Request) -> Answer:
        self.cloud.kind(rid)
        found = self.cloud.find(rid.text)
        if found is None:
            raise self._missing(rid)
        current = found.body if isinstance(found, Resource) else found
        call.body = _merge(current, call.body)
        answer = self._put(rid, call, request)
        return Answer(200, answer.body, answer.headers)

    def _delete(self, rid: ResourceId, call: Call, request: Request) -> Answer:
        kind = self.cloud.kind(rid)
        self._check_etag(rid, request)
        found = self.cloud.find(rid.text)
        try:
            with self.cloud.store.transaction() as touched:
                existed = self.cloud.delete(rid, call.caller)
                self._record_changes(call, touched, f"{rid.type}/delete")
        except ArmFaultError as fault:
            self._log(call, rid, "delete", "Failed", "DELETE", fault.status)
            raise
        if not existed and rid.resource_group and self.cloud.store.get(group_id(rid.subscription, rid.resource_group)) is None:
            raise faults.group_not_found(rid.resource_group)
        if not existed:
            return Answer(204)
        self._log(call, rid, "delete", "Succeeded", "DELETE", 200)
        if kind.shown_on_delete and isinstance(found, Resource):
            return Answer(200, found.body)
        headers = {} if kind.quick_delete else self._long_running(call, rid, kind)
        return Answer(202 if headers else 200, None, headers)

    @staticmethod
    def _check_names(rid: ResourceId, body: Body) -> None:
        name = body.get("name")
        if isinstance(name, str) and name and name.lower() != rid.name.lower():
            raise faults.bad_request(
                "InvalidRequestContent",
                f"The request has a resource name '{name}' that is not the one in its URL, '{rid.name}'.",
            )

    def _check_etag(self, rid: ResourceId, request: Request) -> None:
        wanted, absent = request.headers.get("if-match"), request.headers.get("if-none-match")
        if not wanted and not absent:
            return
        found = self.cloud.find(rid.text)
        body = found.body if isinstance(found, Resource) else found
        if absent == "*" and body is not None:
            raise faults.precondition_failed(rid.text)
        if wanted and (body is None or (wanted != "*" and body.get("etag") != wanted)):
            raise faults.precondition_failed(rid.text)

    # --- long-running operations -----------------------------------------------------------------------------------

    def _long_running(self, call: Call, rid: ResourceId, kind: ResourceType) -> dict[str, str]:
        return self._started(call, rid) if kind.slow else {}

    def _started(self, call: Call, rid: ResourceId, outcome: Body | None = None, error: Body | None = None) -> dict[str, str]:
        """The headers of a long-running operation. Its result is `error`, `outcome`, else the resource as it is then."""
        operation = str(uuid.uuid4())
        seconds = float(self.cloud.store.setting("operation_seconds", 0))
        started = self.cloud.now()
        self.cloud.store.save_operation(
            operation,
            {"start": started.timestamp(), "ready": started.timestamp() + seconds, "target": rid.text, "outcome": outcome, "error": error},
        )
        location = "westeurope"
        base = f"https://{self.host}/subscriptions/{rid.subscription}/providers/{rid.namespace}/locations/{location}"
        version = call.query["api-version"]
        return {
            "Azure-AsyncOperation": f"{base}/operations/{operation}?api-version={version}",
            "Location": f"{base}/operationResults/{operation}?api-version={version}",
            "Retry-After": "1",
        }

    def _operation(self, operation: str, path: str) -> Answer:
        known = self.cloud.store.operation(operation)
        if known is None:
            raise ArmFaultError(404, "OperationNotFound", f"The operation '{operation}' was not found.")
        done = self.cloud.now().timestamp() >= known["ready"]
        if "operationresults" in path.lower():
            return self._result(known) if done else Answer(202, None, {"Retry-After": "1"})
        body = {"name": operation, "status": "Succeeded" if done else "InProgress", "startTime": _iso(known["start"])}
        if done:
            body["endTime"] = _iso(known["ready"])
        if done and known.get("error"):
            body |= {"status": "Failed", "error": known["error"]}
        return Answer(200, body, None if done else {"Retry-After": "1"})

    def _result(self, known: Body) -> Answer:
        """What a finished operation made: its own outcome, the resource, or nothing any more."""
        if known.get("outcome") is not None:
            return Answer(200, known["outcome"])
        rid = ResourceId.parse(str(known["target"]))
        return self._get(rid, head=False) if self.cloud.find(rid.text) is not None else Answer(204)

    # --- lists -----------------------------------------------------------------------------------------------------

    def _listing(self, call: Call) -> Answer | None:
        """Answer a path that names a collection; None when it names a resource."""
        found = self._collection(call)
        if found is None:
            return None
        return Answer(200, page(found, call, self.host))

    def _collection(self, call: Call) -> list[Body] | None:
        scope, separator, tail = call.path.rpartition("/providers/")
        parts = tail.split("/")
        if not separator or len(parts) % 2 == 1:
            return None
        name = "/".join([parts[0], *parts[1::2]])
        kind = self.cloud.types.get(name.lower())
        if kind is None:
            raise faults.not_emulated(f"the list of {name}")
        place = re.match(r"/subscriptions/([^/]+)/resourceGroups/([^/]+)", scope, re.IGNORECASE)
        if place:
            self.cloud.require_group(place[1], place[2])
        if kind.scoped and "/providers/" in scope.lower() and not self.cloud.exists(scope):
            raise self._missing(ResourceId.parse(scope))
        if kind.held_in or len(parts) > 2:
            return self._children(call.path, kind)
        prefix = scope.lower() + "/"
        below = [r for r in self.cloud.store.of_type(kind.name) if r.id.lower().startswith(prefix)]
        return [self.cloud.shown(r) or r.body for r in below]

    def _children(self, path: str, kind: ResourceType) -> list[Body]:
        owner = path.rsplit("/", 1)[0]
        if not kind.held_in:
            owner_id = kind.holder(ResourceId.parse(owner))
            if self.cloud.find(owner_id.text) is None:
                raise self._missing(owner_id)
            return [r.body for r in self.cloud.store.below(path)]
        parent = self.cloud.store.get(owner)
        if parent is None:
            raise self._missing(ResourceId.parse(owner))
        return list(parent.properties.get(kind.held_in) or [])

    # --- activity log ------------------------------------------------------------------------------------------------

    def _log(self, call: Call, rid: ResourceId, action: str, status: str, method: str, code: int) -> None:
        self.cloud.store.record(activity.event(self.cloud, rid, action, status, call.caller, method, code))

    def _record_changes(self, call: Call, touched: dict[str, Resource | None], operation: str) -> None:
        store = self.cloud.store
        for row in changes.rows(touched, store.current, operation, call.caller, self.cloud.now()):
            store.record_change(row, touched[str(row["properties"]["targetResourceId"]).lower()])

    def _log_action(self, method: str, call: Call, status: int) -> None:
        owner, _, action = call.path.rpartition("/")
        if method != "POST":
            owner, action = call.path, "delete" if method == "DELETE" else "write"
        try:
            rid = ResourceId.parse(owner)
        except UsageError:
            return
        outcome = "Succeeded" if status < 400 else "Failed"
        self._log(call, rid, f"{action}/action" if method == "POST" else action, outcome, method, status)


def _operation(method: str, path: str) -> str:
    """The operation of a special path: `Microsoft.Compute/virtualMachines/deallocate/action`, `Microsoft.Resources/tags/write`."""
    owner, _, verb = path.rpartition("/")
    try:
        if method == "POST":
            return f"{ResourceId.parse(owner).type}/{verb}/action"
        return f"{ResourceId.parse(path).type}/{'delete' if method == 'DELETE' else 'write'}"
    except UsageError:
        return f"{verb}/action"


def _json(raw: bytes) -> Body:
    try:
        body = json.loads(raw)
    except ValueError as problem:
        raise faults.invalid_content(str(problem)) from problem
    if not isinstance(body, dict):
        raise faults.invalid_content("a JSON object is expected")
    return body


def _plain(path: str) -> str:
    """The path as ARM reads it: az doubles slashes, and writes resource groups in lower case."""
    return re.sub(r"(?i)^(/subscriptions/[^/]+)/resourcegroups(?=/|$)", r"\1/resourceGroups", "/" + re.sub("/{2,}", "/", path).strip("/"))


def _merge(current: Body, patch: Body) -> Body:
    """JSON merge patch (RFC 7396), except that tags are replaced whole, as ARM does."""
    out = dict(current)
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        elif key != "tags" and isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = _merge(out[key], value)
        else:
            out[key] = value
    return out


def _iso(timestamp: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(timestamp, UTC).isoformat().replace("+00:00", "Z")


def _subscription(path: str) -> str:
    match = re.match(r"/subscriptions/([^/]+)", path, re.IGNORECASE)
    return match[1].lower() if match else ""
