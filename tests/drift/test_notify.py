"""Telling people: each finding once on each channel, over real sockets, and never a secret."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, TCPServer, ThreadingTCPServer
from typing import Any

import pytest

from tests.conftest import Sandbox
from tests.drift.actors import ALICE, BOB, Azure
from tests.drift.test_scan import NSG, VM, ids, tag


@dataclass
class Heard:
    """What a server on this machine got; `status` is what it answers."""

    port: int = 0
    status: int = 200
    bodies: list[Any] = field(default_factory=list)


def _served(server: TCPServer, heard: Heard) -> Iterator[Heard]:
    heard.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield heard
    server.shutdown()
    server.server_close()


@pytest.fixture
def hooks() -> Iterator[Heard]:
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.bodies.append((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
            self.send_response(heard.status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    yield from _served(ThreadingHTTPServer(("127.0.0.1", 0), Handler), heard)


@pytest.fixture
def mail() -> Iterator[Heard]:
    """An SMTP server that takes every message."""
    heard = Heard()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline().strip():
                if line.upper() == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    text = b"".join(iter(self.rfile.readline, b".\r\n"))
                    heard.bodies.append(text.decode())
                self.wfile.write(b"221 bye\r\n" if line.upper() == b"QUIT" else b"250 ok\r\n")

    class Server(ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    yield from _served(Server(("127.0.0.1", 0), Handler), heard)


def _configure(sandbox: Sandbox, hooks: Heard, mail: Heard | None = None) -> None:
    sandbox.extra |= {"SLACK": f"http://127.0.0.1:{hooks.port}/slack/T0/SECRETPATH", "TEAMS": f"http://127.0.0.1:{hooks.port}/teams"}
    text = "drift:\n  notify:\n    webhooks:\n      - {url_env: SLACK}\n      - {url_env: TEAMS, format: teams}\n"
    if mail:
        text += f"    mail: {{host: 127.0.0.1, port: {mail.port}, security: none, sender: iacagent@contoso.com, to: [ops@contoso.com]}}\n"
    (sandbox.directory / ".iacagent.yaml").write_text(text)


def test_each_finding_is_told_once_on_each_channel(web_tier: Sandbox, hooks: Heard, mail: Heard) -> None:
    azure, held = Azure(web_tier.gym), ids(web_tier)
    _configure(web_tier, hooks, mail)
    tag(azure, held[VM], ALICE, owner="alice")
    assert web_tier.iacagent("drift", "detect", "--notify").code == 0
    slack, teams = (next(b for path, b in hooks.bodies if path.startswith(p)) for p in ("/slack", "/teams"))
    assert slack["blocks"][0]["text"]["text"] == "1 new drift finding in ."
    assert "tags.owner: web → alice" in slack["blocks"][1]["text"]["text"]
    assert "by alice@contoso.com with Azure Portal" in slack["blocks"][1]["text"]["text"]
    card = teams["attachments"][0]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert "tags.owner: web → alice" in card["content"]["body"][1]["text"]
    assert len(mail.bodies) == 1
    assert "Subject: 1 new drift finding in ." in mail.bodies[0]
    assert web_tier.iacagent("drift", "detect", "--notify").code == 0
    assert (len(hooks.bodies), len(mail.bodies)) == (2, 1)
    tag(azure, held[NSG], BOB, owner="bob")
    assert web_tier.iacagent("drift", "reconcile", "--decide", f"{NSG}=revert", "--auto-approve", "--notify").code == 2
    assert "→ reverted" in hooks.bodies[-1][1]["attachments"][0]["content"]["body"][1]["text"]
    assert "alice" not in str(hooks.bodies[-1])


def test_a_channel_that_fails_is_tried_again_next_time(web_tier: Sandbox, hooks: Heard) -> None:
    tag(Azure(web_tier.gym), ids(web_tier)[VM], ALICE, owner="alice")
    _configure(web_tier, hooks)
    hooks.status = 404
    failed = web_tier.iacagent("drift", "detect", "--notify")
    assert failed.code == 1
    assert "the webhook in SLACK did not take the findings" in failed.err
    assert "SECRETPATH" not in failed.err + failed.out
    hooks.status = 200
    hooks.bodies.clear()
    assert web_tier.iacagent("drift", "detect", "--notify").code == 0
    assert len(hooks.bodies) == 2


def test_a_secret_is_masked_everywhere(web_tier: Sandbox, hooks: Heard) -> None:
    _configure(web_tier, hooks)
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4"
    tag(Azure(web_tier.gym), ids(web_tier)[VM], ALICE, deploy=secret)
    outputs = [
        web_tier.iacagent("drift", "detect", "--notify", "--format", f).out for f in ("text", "json", "sarif", "junit", "markdown", "html")
    ]
    outputs += [
        web_tier.iacagent("drift", "history", "--all").out,
        web_tier.iacagent("--json", "drift", "reconcile", "--strategy", "adopt").out,
    ]
    outputs += [
        json.dumps(hooks.bodies),
        *(p.read_bytes().decode("latin-1") for p in (web_tier.directory / ".iacagent").rglob("*") if p.is_file()),
    ]
    assert not [text[:80] for text in outputs if secret in text]
    assert "(sensitive value)" in outputs[0]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("drift: {notify: {webhooks: [{url_env: NOT_SET}]}}", "NOT_SET holds no URL"),
        ("drift: {max_reverts: 3}", "there is nobody to tell"),
    ],
)
def test_nobody_to_tell_is_an_error(config: str, told: str, web_tier: Sandbox) -> None:
    (web_tier.directory / ".iacagent.yaml").write_text(config)
    ran = web_tier.iacagent("drift", "detect", "--notify")
    assert ran.code == 1
    assert told in ran.err
