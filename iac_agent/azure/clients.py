"""Clients over the azure-mgmt packages, made in one place: endpoints, credentials, retries, and errors in our own tree.

Retries are stamina's; a Retry-After of the service is honoured. azure-core's own retries are off.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import stamina
from azure.core.exceptions import AzureError as VendorError
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.core.rest import HttpRequest
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

from iac_agent import __version__
from iac_agent.azure import clouds, credentials
from iac_agent.azure.answers import error_for
from iac_agent.azure.lenses.table import Body
from iac_agent.azure.pace import Pace
from iac_agent.errors import AzureError, AzureNotFound, CredentialsMissing

if TYPE_CHECKING:
    from azure.mgmt.compute import ComputeManagementClient
    from azure.mgmt.monitor import MonitorManagementClient
    from azure.mgmt.network import NetworkManagementClient
    from azure.mgmt.resourcehealth import ResourceHealthMgmtClient
    from azure.monitor.query import LogsQueryClient
    from azure.monitor.querymetrics import MetricsClient

_GRAPH, _GRAPH_API, _GRAPH_PAGE = "/providers/Microsoft.ResourceGraph/resources", "2022-10-01", 1000
_ATTEMPTS = 6
_SUBSCRIPTIONS_API = "2022-12-01"
_RETRIED = (408, 429, 500, 502, 503, 504)


class _RetryAsked(Exception):
    """An answer that asks to be retried; `after` are seconds, 0 when the service does not say."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers

    @property
    def after(self) -> float:
        for name, scale in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0)):
            text = str(self.headers.get(name, ""))
            if text.replace(".", "", 1).isdigit():
                return float(text) * scale
        return 0.0


def _backoff(problem: Exception) -> bool | timedelta:
    if isinstance(problem, _RetryAsked):
        return timedelta(seconds=problem.after) if problem.after else True
    return isinstance(problem, ServiceRequestError | ServiceResponseError)


@contextmanager
def translated(target: str) -> Iterator[None]:
    """Vendor errors inside become AzureError, whichever azure-mgmt client raised them."""
    try:
        yield
    except _RetryAsked as asked:
        raise error_for(asked.status, asked.body, target, asked.headers) from asked
    except ClientAuthenticationError as problem:
        raise CredentialsMissing(f"signing in failed: {_brief(problem)}", hint="Check ARM_CLIENT_SECRET, or run `az login`.") from problem
    except HttpResponseError as problem:
        status = problem.status_code or 0
        body = problem.response.text() if problem.response is not None else str(problem)
        raise error_for(status, body, target) from problem
    except VendorError as problem:
        raise AzureError(f"{target}: {_brief(problem)}", hint="Check the network and the cloud's endpoints.") from problem


def _brief(problem: Exception) -> str:
    return str(problem).strip().splitlines()[0][:500]


class AzureClients:
    """The clients of one cloud, subscription and credential, made when first used. Satisfies `lenses.table.Arm`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._pace = Pace()
        self._skew = timedelta()
        self._asked = False
        self._metrics: dict[str, MetricsClient] = {}

    def close(self) -> None:
        """Close the connections of every client that was made."""
        made = [self.__dict__[n] for n in ("compute", "network", "monitor", "health", "logs", "_pipeline") if n in self.__dict__]
        for client in (*made, *self._metrics.values()):
            client.close()

    def now(self) -> datetime:
        """The time as Azure has it: a wrong clock here must not hide what happened there. Known from the first answer on."""
        return datetime.now(UTC) + self._skew

    def synchronised(self) -> datetime:
        """As `now`, after Azure was asked once: ranges up to now must end when its clock says so."""
        if not self._asked:
            self.get(f"/subscriptions/{self.subscription}", _SUBSCRIPTIONS_API)
        return self.now()

    @cached_property
    def cloud(self) -> clouds.CloudEndpoints:
        return clouds.resolve(self._environment)

    @cached_property
    def subscription(self) -> str:
        found = credentials.subscription(self._environment)
        if not found:
            raise CredentialsMissing("no subscription", hint="Set ARM_SUBSCRIPTION_ID.")
        return found

    def _options(self) -> dict[str, Any]:
        return {
            "base_url": self.cloud.resource_manager,
            "credential_scopes": [self.cloud.scope],
            "connection_verify": self.cloud.verify,
            "user_agent": f"iac-agent/{__version__}",
        }

    @cached_property
    def compute(self) -> ComputeManagementClient:
        from azure.mgmt.compute import ComputeManagementClient

        return ComputeManagementClient(credentials.resolve(self._environment, self.cloud), self.subscription, **self._options())

    @cached_property
    def network(self) -> NetworkManagementClient:
        from azure.mgmt.network import NetworkManagementClient

        return NetworkManagementClient(credentials.resolve(self._environment, self.cloud), self.subscription, **self._options())

    @cached_property
    def monitor(self) -> MonitorManagementClient:
        from azure.mgmt.monitor import MonitorManagementClient

        return MonitorManagementClient(credentials.resolve(self._environment, self.cloud), self.subscription, **self._options())

    @cached_property
    def health(self) -> ResourceHealthMgmtClient:
        from azure.mgmt.resourcehealth import ResourceHealthMgmtClient

        return ResourceHealthMgmtClient(credentials.resolve(self._environment, self.cloud), self.subscription, **self._options())

    def metrics(self, region: str) -> MetricsClient:
        """The batch endpoint for metrics of up to 50 resources of one region."""
        from azure.monitor.querymetrics import MetricsClient

        if region not in self._metrics:
            endpoint, audience = self.cloud.metrics(region)
            credential = credentials.resolve(self._environment, self.cloud)
            self._metrics[region] = MetricsClient(endpoint, credential, audience=audience, connection_verify=self.cloud.verify)
        return self._metrics[region]

    @cached_property
    def logs(self) -> LogsQueryClient:
        from azure.monitor.query import LogsQueryClient

        credential = credentials.resolve(self._environment, self.cloud)
        return LogsQueryClient(credential, endpoint=self.cloud.logs, connection_verify=self.cloud.verify)

    @cached_property
    def _pipeline(self) -> ARMPipelineClient[Any, Any]:
        from azure.core.pipeline.policies import HeadersPolicy, UserAgentPolicy

        credential = credentials.resolve(self._environment, self.cloud)
        policies = [
            HeadersPolicy(),
            UserAgentPolicy(f"iac-agent/{__version__}"),
            ARMChallengeAuthenticationPolicy(credential, self.cloud.scope),
        ]
        return ARMPipelineClient(self.cloud.resource_manager, policies=policies, connection_verify=self.cloud.verify)

    def _send(self, method: str, path: str, api: str, body: Body | None = None) -> Any:
        url = f"{self.cloud.resource_manager}{path}{'&' if '?' in path else '?'}api-version={api}"
        content = None if body is None else json.dumps(body)
        headers = {"content-type": "application/json"} if content else {}
        with translated(path):
            for attempt in stamina.retry_context(on=_backoff, attempts=_ATTEMPTS, timeout=300):
                with attempt:
                    self._pace.wait(graph=path == _GRAPH)
                    answer = self._pipeline.send_request(HttpRequest(method, url, headers=headers, content=content))
                    self._hear(answer.headers)
                    if answer.status_code in _RETRIED:
                        raise _RetryAsked(answer.status_code, answer.read(), answer.headers)
        return answer

    def _hear(self, headers: Mapping[str, str]) -> None:
        self._asked = True
        self._pace.heard(headers)
        with suppress(TypeError, ValueError):
            self._skew = parsedate_to_datetime(headers["date"]) - datetime.now(UTC) if "date" in headers else self._skew

    def get(self, path: str, api: str) -> Body | None:
        """The resource, or None when it is not there (404). Raises AzureError: AzureDenied is not the same as absent."""
        answer = self._send("GET", path, api)
        try:
            return self._body(answer, path)
        except AzureNotFound:
            return None

    def put(self, path: str, body: Body, api: str) -> Body:
        return self._body(self._send("PUT", path, api, body), path)

    def post(self, path: str, api: str) -> Body:
        return self._body(self._send("POST", path, api), path)

    def pages(self, path: str, api: str) -> Iterator[list[Body]]:
        """The items of each page of a list. Raises AzureError, AzureNotFound when there is no such scope."""
        while path:
            body = self._body(self._send("GET", path, api), path)
            yield body.get("value") or []
            following = urlsplit(str(body.get("nextLink") or ""))
            query = [(k, v) for k, v in parse_qsl(following.query) if k.lower() != "api-version"]
            path = f"{following.path}?{urlencode(query)}" if following.path else ""

    def query(self, kql: str) -> Iterator[Body]:
        """The rows of a Resource Graph query over the subscription; it must project `id`, or pages are not told apart."""
        options: Body = {"$top": _GRAPH_PAGE, "resultFormat": "objectArray"}
        while True:
            asked = {"subscriptions": [self.subscription], "query": kql, "options": options}
            answer = self._body(self._send("POST", _GRAPH, _GRAPH_API, asked), "Resource Graph")
            yield from answer.get("data") or []
            if not answer.get("$skipToken"):
                return
            options = {**options, "$skipToken": answer["$skipToken"]}

    def activity(self, since: datetime, *clauses: str) -> Iterator[Body]:
        """Events of the subscription's activity log, the newest first, as the REST API has them."""
        wanted = " and ".join((f"eventTimestamp ge '{since.isoformat(timespec='seconds').replace('+00:00', 'Z')}'", *clauses))
        with translated("the activity log"):
            for event in self.monitor.activity_logs.list(filter=wanted):
                yield dict(event.serialize(keep_readonly=True))

    def delete(self, path: str, api: str) -> None:
        self._body(self._send("DELETE", path, api), path)

    @staticmethod
    def _body(answer: Any, path: str) -> Body:
        raw = answer.read()
        if answer.status_code >= 400:
            raise error_for(answer.status_code, raw, path, answer.headers)
        found: Body = json.loads(raw) if raw else {}
        return found
