"""The ARM process: opens the store, listens on TLS, and tells where."""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import socket
import sqlite3
import sys
from pathlib import Path

import trustme
import uvicorn

from iac_agent.gym.app import ArmApp
from iac_agent.gym.cloud import Cloud
from iac_agent.gym.services import policy, registry
from iac_agent.gym.store import Store


def certificates(folder: Path) -> tuple[Path, Path]:
    """The gym's own authority (`ca.pem`) and a server certificate from it; made once. Returns server.pem and ca.pem."""
    server, authority = folder / "server.pem", folder / "ca.pem"
    if not (server.exists() and authority.exists()):
        issuer = trustme.CA(organization_name="iac-agent gym")
        issued = issuer.issue_cert("localhost", "127.0.0.1", "*.storage.localhost", "*.vault.localhost")
        issued.private_key_and_cert_chain_pem.write_to_path(str(server))
        server.chmod(0o600)
        issuer.cert_pem.write_to_path(str(authority))
    return server, authority


def signing_key(store: Store) -> bytes:
    """The key that signs tokens; made once, so that tokens survive a restart."""
    key = store.setting("signing_key")
    if key is None:
        key = secrets.token_hex(32)
        store.set_setting("signing_key", key)
    return bytes.fromhex(str(key))


def serve(folder: Path, port: int) -> None:
    """Serve until SIGTERM; `arm.json` in `folder` tells the port once the socket listens."""
    server_pem, _ = certificates(folder)
    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    host = f"localhost:{listener.getsockname()[1]}"
    store = Store(folder / "gym.db")
    types, services = registry()
    app = ArmApp(Cloud(store, f"https://{host}", types, policy.enforce), services, signing_key(store), host)
    (folder / "arm.json").write_text(json.dumps({"endpoint": f"https://{host}"}))
    config = uvicorn.Config(
        app.starlette(),
        ssl_certfile=str(server_pem),
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_keep_alive=120,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets=[listener])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m iac_agent.gym.server")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        serve(options.dir, options.port)
    except (OSError, sqlite3.DatabaseError) as problem:
        sys.exit(f"{type(problem).__name__}: {problem}")


if __name__ == "__main__":
    main()
