"""Which cloud to talk to, resolved as azurerm resolves it.

`ARM_METADATA_HOSTNAME` names a host that describes its cloud; else `ARM_ENVIRONMENT` (or `AZURE_ENVIRONMENT`) names a well-known one.
Source: https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs#argument-reference
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from iac_agent.errors import AzureError, UsageError


@dataclass(frozen=True)
class CloudEndpoints:
    """`authority` signs in, `resource_manager` is ARM's base URL, `audience` what tokens are for. `verify`: a CA file, or True.

    `monitor` is the domain of Azure Monitor's metrics (`monitor.azure.com`), empty for a cloud that serves them beside ARM; `logs` is
    where Log Analytics is queried.
    """

    name: str
    authority: str
    resource_manager: str
    audience: str
    verify: str | bool = True
    monitor: str = ""
    logs: str = ""

    def metrics(self, region: str) -> tuple[str, str]:
        """Endpoint and audience of the metrics data plane, which is one for each region."""
        if not self.monitor:
            return self.resource_manager, self.audience
        return f"https://{region}.metrics.{self.monitor}", f"https://metrics.{self.monitor}"

    @property
    def scope(self) -> str:
        return f"{self.audience.rstrip('/')}/.default"


_KNOWN = {
    "public": ("https://login.microsoftonline.com", "https://management.azure.com", "monitor.azure.com", "https://api.loganalytics.io"),
    "usgovernment": (
        "https://login.microsoftonline.us",
        "https://management.usgovcloudapi.net",
        "monitor.azure.us",
        "https://api.loganalytics.us",
    ),
    "china": (
        "https://login.chinacloudapi.cn",
        "https://management.chinacloudapi.cn",
        "monitor.azure.cn",
        "https://api.loganalytics.azure.cn",
    ),
}
_ALIASES = {"": "public", "azurecloud": "public", "azureusgovernment": "usgovernment", "azurechinacloud": "china"}


def resolve(environment: Mapping[str, str]) -> CloudEndpoints:
    """The cloud that the environment names. Raises UsageError for an unknown name, AzureError when the metadata host does not answer."""
    verify: str | bool = environment.get("SSL_CERT_FILE") or environment.get("REQUESTS_CA_BUNDLE") or True
    host = environment.get("ARM_METADATA_HOSTNAME") or environment.get("ARM_METADATA_HOST")
    if host:
        return _described(host, verify)
    name = (environment.get("ARM_ENVIRONMENT") or environment.get("AZURE_ENVIRONMENT") or "").lower()
    name = _ALIASES.get(name, name)
    if name not in _KNOWN:
        raise UsageError(f"ARM_ENVIRONMENT names {name!r}, which is no cloud", hint=f"Known: {', '.join(_KNOWN)}.")
    authority, manager, monitor, logs = _KNOWN[name]
    return CloudEndpoints(name, authority, manager, manager, verify, monitor, logs)


def _described(host: str, verify: str | bool) -> CloudEndpoints:
    url = f"https://{host}/metadata/endpoints?api-version=2022-09-01"
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    try:
        with urllib.request.urlopen(url, timeout=30, context=context) as answer:
            described = json.loads(answer.read())
    except (OSError, ValueError, urllib.error.URLError) as problem:
        raise AzureError(f"the metadata host {host} does not answer: {problem}", hint="Check ARM_METADATA_HOSTNAME.") from problem
    sign_in = described["authentication"]
    return CloudEndpoints(
        described.get("name", host),
        sign_in["loginEndpoint"].rstrip("/"),
        described["resourceManager"].rstrip("/"),
        (sign_in.get("audiences") or [described["resourceManager"]])[0],
        verify,
        logs=str(described.get("logAnalyticsResourceId") or described["resourceManager"]).rstrip("/"),
    )
