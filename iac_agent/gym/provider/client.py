"""The provider's own ARM client: small and quick, with tokens, retries and long-running operations."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import urllib3

from iac_agent import __version__
from iac_agent.azure.answers import error_for
from iac_agent.azure.lenses.table import Body
from iac_agent.errors import AzureError
from iac_agent.gym import identity

_POLL = 0.1
_PATIENCE = 1800.0


class ArmHttp:
    """Satisfies `lenses.table.Arm` over HTTPS against the gym."""

    def __init__(self, endpoint: str, ca: Path, major: int) -> None:
        self._endpoint = endpoint
        retry = urllib3.Retry(
            total=5,
            backoff_factor=0.2,
            status_forcelist=[429, 503],
            respect_retry_after_header=True,
            allowed_methods=None,
            raise_on_status=False,
        )
        self._pool = urllib3.PoolManager(ca_certs=str(ca), maxsize=16, retries=retry)
        self._agent = f"HashiCorp Terraform terraform-provider-azurerm/{major} iac-agent-gym/{__version__}"
        self._token = ""
        self._signed = (identity.CLIENT_ID, identity.SECRET)
        self._lock = threading.Lock()

    def sign_in_as(self, client_id: str, secret: str) -> None:
        """Be another application from now on; empty ones are the gym's own."""
        with self._lock:
            wanted = (client_id or identity.CLIENT_ID, secret or identity.SECRET)
            if wanted != self._signed:
                self._signed, self._token = wanted, ""

    def _authorization(self) -> str:
        with self._lock:
            if not self._token:
                form = {
                    "client_id": self._signed[0],
                    "client_secret": self._signed[1],
                    "grant_type": "client_credentials",
                    "scope": f"{self._endpoint}/.default",
                }
                url = f"{self._endpoint}/{identity.TENANT}/oauth2/v2.0/token"
                answer = self._pool.request("POST", url, body=urlencode(form))
                if answer.status != 200:
                    raise error_for(answer.status, answer.data, url)
                self._token = answer.json()["access_token"]
            return f"Bearer {self._token}"

    def _send(self, method: str, path: str, api: str, body: Body | None = None) -> urllib3.BaseHTTPResponse:
        headers = {
            "authorization": self._authorization(),
            "user-agent": self._agent,
            "content-type": "application/json",
        }
        url = f"{self._endpoint}{path}{'&' if '?' in path else '?'}api-version={api}"
        try:
            answer = self._pool.request(method, url, body=None if body is None else json.dumps(body), headers=headers)
        except urllib3.exceptions.HTTPError as problem:
            raise AzureError(f"{method} {path}: {problem}", hint="Is the gym up? Try `iacagent gym status`.") from problem
        if answer.status == 401:
            self._token = ""
        return answer

    def _finish(self, answer: urllib3.BaseHTTPResponse, target: str) -> None:
        """Wait for the operation an answer announces. Raises AzureError when it fails."""
        url = answer.headers.get("Azure-AsyncOperation")
        deadline = time.monotonic() + _PATIENCE
        while url:
            parts = urlsplit(url)
            state = self._send("GET", f"{parts.path}?{_without_version(parts.query)}".rstrip("?"), _version(parts.query))
            if state.status >= 400:
                raise error_for(state.status, state.data, target)
            status = state.json().get("status")
            if status == "Succeeded":
                return
            if status in ("Failed", "Canceled") or time.monotonic() > deadline:
                raise error_for(409, state.json(), target)
            time.sleep(_POLL)

    def get(self, path: str, api: str) -> Body | None:
        answer = self._send("GET", path, api)
        if answer.status == 404:
            return None
        if answer.status >= 400:
            raise error_for(answer.status, answer.data, path)
        body: Body = answer.json()
        return body

    def put(self, path: str, body: Body, api: str) -> Body:
        answer = self._send("PUT", path, api, body)
        if answer.status >= 400:
            raise error_for(answer.status, answer.data, path)
        self._finish(answer, path)
        written: Body = answer.json()
        return written

    def post(self, path: str, api: str) -> Body:
        answer = self._send("POST", path, api)
        if answer.status >= 400:
            raise error_for(answer.status, answer.data, path)
        found: Body = answer.json() if answer.data else {}
        return found

    def delete(self, path: str, api: str) -> None:
        answer = self._send("DELETE", path, api)
        if answer.status >= 400 and answer.status != 404:
            raise error_for(answer.status, answer.data, path)
        self._finish(answer, path)


def _version(query: str) -> str:
    return next((p.split("=", 1)[1] for p in query.split("&") if p.startswith("api-version=")), "2024-03-01")


def _without_version(query: str) -> str:
    return "&".join(p for p in query.split("&") if p and not p.startswith("api-version="))
