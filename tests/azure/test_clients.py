"""The product's own Azure clients: against the gym, and against a server that throttles and fails."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from iac_agent.azure import clouds, credentials
from iac_agent.azure.clients import AzureClients
from iac_agent.errors import AzureError, AzureNotFound, AzureRejected, CredentialsMissing, UsageError
from iac_agent.gym.daemon import Gym

GROUP = "/subscriptions/00000000-0000-0000-0000-000000000004/resourceGroups/rg"


def test_read_and_write_through_the_gym(gym: Gym) -> None:
    arm = AzureClients(gym.environment())
    assert arm.get(GROUP, "2023-07-01") is None
    assert arm.put(GROUP, {"location": "westeurope"}, "2023-07-01")["location"] == "westeurope"
    assert list(arm.compute.virtual_machines.list_all()) == []
    assert list(arm.network.virtual_networks.list_all()) == []
    with pytest.raises(AzureNotFound):
        arm.post(f"{GROUP}/providers/Microsoft.Storage/storageAccounts/x/listKeys", "2025-08-01")
    with pytest.raises(AzureRejected, match="InvalidResourceGroupLocation"):
        arm.put(GROUP, {"location": "northeurope"}, "2023-07-01")


def test_a_wrong_secret_is_a_missing_credential(gym: Gym) -> None:
    arm = AzureClients({**gym.environment(), "ARM_CLIENT_SECRET": "guess"})
    with pytest.raises(CredentialsMissing, match="AADSTS7000215"):
        arm.get(GROUP, "2023-07-01")


def test_no_network(gym: Gym) -> None:
    with pytest.raises(AzureError, match="does not answer"):
        AzureClients({**gym.environment(), "ARM_METADATA_HOSTNAME": "localhost:9"}).get(GROUP, "1")


def test_no_subscription(gym: Gym) -> None:
    environment = {k: v for k, v in gym.environment().items() if k != "ARM_SUBSCRIPTION_ID"}
    with pytest.raises(CredentialsMissing, match="no subscription"):
        _ = AzureClients(environment).compute


def test_clouds_by_name() -> None:
    assert clouds.resolve({}).resource_manager == "https://management.azure.com"
    assert clouds.resolve({"ARM_ENVIRONMENT": "usgovernment"}).authority == "https://login.microsoftonline.us"
    assert clouds.resolve({"AZURE_ENVIRONMENT": "AzureChinaCloud"}).name == "china"
    with pytest.raises(UsageError):
        clouds.resolve({"ARM_ENVIRONMENT": "mars"})


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({"ARM_TENANT_ID": "t", "ARM_CLIENT_ID": "c", "ARM_CLIENT_SECRET": "s"}, "ClientSecretCredential"),
        ({"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"}, "ClientSecretCredential"),
        ({"ARM_TENANT_ID": "t", "ARM_CLIENT_ID": "c", "ARM_OIDC_TOKEN": "x"}, "ClientAssertionCredential"),
        ({"ARM_USE_MSI": "true"}, "ManagedIdentityCredential"),
        ({}, "AzureCliCredential"),
    ],
)
def test_credentials_as_azurerm_finds_them(environment: dict[str, str], kind: str) -> None:
    found = credentials.resolve(environment, clouds.resolve({}))
    assert type(found).__name__ == kind
    with pytest.raises(CredentialsMissing):
        credentials.resolve({"ARM_USE_CLI": "false"}, clouds.resolve({}))


class _Scripted(http.server.BaseHTTPRequestHandler):
    answers: list[tuple[int, dict[str, str], Any]]
    seen: list[float]

    def do_GET(self) -> None:
        self.seen.append(time.monotonic())
        status, headers, body = self.answers.pop(0)
        raw = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Tests need no access log."""


class _Anyone:
    """Stands for a credential; the scripted server does not look."""

    def get_token(self, *_: Any, **__: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken("t", int(time.time()) + 3600)


@pytest.fixture
def scripted(gym: Gym, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[AzureClients, type[_Scripted]]]:
    """Clients of a TLS server that answers from a script, with the gym's certificate."""
    import ssl

    handler = type("Handler", (_Scripted,), {"answers": [], "seen": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(gym.folder / "server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(credentials, "resolve", lambda *_: _Anyone())
    clients = AzureClients(gym.environment())
    base = f"https://localhost:{server.server_address[1]}"
    clients.__dict__["cloud"] = clouds.CloudEndpoints("test", base, base, base, str(gym.folder / "ca.pem"))
    yield clients, handler
    server.shutdown()
    server.server_close()
    thread.join()


def test_retry_after_is_honoured(scripted: tuple[AzureClients, type[_Scripted]]) -> None:
    clients, server = scripted
    server.answers += [(429, {"retry-after": "1"}, {"error": {"code": "TooManyRequests"}}), (503, {}, {}), (200, {}, {"ok": True})]
    assert clients.get("/x", "1") == {"ok": True}
    assert server.seen[1] - server.seen[0] >= 1


def test_could_not_read_is_not_absent(scripted: tuple[AzureClients, type[_Scripted]]) -> None:
    clients, server = scripted
    server.answers.append((403, {}, {"error": {"code": "AuthorizationFailed", "message": "no"}}))
    with pytest.raises(AzureError, match="AuthorizationFailed"):
        clients.get("/x", "1")
    server.answers.append((404, {}, {"error": {"code": "ResourceNotFound"}}))
    assert clients.get("/x", "1") is None
