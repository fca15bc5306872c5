"""A scripted OpenAI-compatible server: what a model would answer, said by a script, over a real socket.

The script is a list of entries; the first whose `when` is found in the last message of the user answers with the next of its `say` items:
`{call: TOOL, with: {...}}`, `{text: ...}`, `{status: 429, headers: {...}}`, `{raw: "bytes as they are"}`, each with an optional `delay` in
seconds and `cut: true` for an answer that ran out of tokens. The last item repeats.
Source: https://platform.openai.com/docs/api-reference/chat/object
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from iac_agent.errors import GymError

Reply = dict[str, Any]
Answerer = Callable[[dict[str, Any]], Reply]


class Script:
    """Answers by entries; keeps how far each entry has come."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self.entries = entries
        self._told = [0] * len(entries)

    @classmethod
    def read(cls, path: Path) -> Script:
        """Raises GymError when the file is no script."""
        try:
            content = yaml.safe_load(path.read_text("utf-8"))
            if not isinstance(content, list) or not all(
                isinstance(x, dict) and isinstance(x.get("say"), list) and x["say"] for x in content
            ):
                raise GymError(f"{path}: a list of entries with `when` and `say` is expected")
        except (OSError, yaml.YAMLError) as problem:
            raise GymError(f"{path}: {problem}") from problem
        return cls(content)

    def __call__(self, body: dict[str, Any]) -> Reply:
        asked = next((str(m.get("content", "")) for m in reversed(body.get("messages", [])) if m.get("role") == "user"), "")
        for number, entry in enumerate(self.entries):
            if re.search(str(entry.get("when", "")), asked, re.IGNORECASE | re.DOTALL):
                said: Reply = entry["say"][min(self._told[number], len(entry["say"]) - 1)]
                self._told[number] += 1
                return said
        return {"call": "refuse", "with": {"reason": "the script has nothing to say to this"}}


@dataclass
class ModelServer:
    """The server on 127.0.0.1. `heard` holds every request body as it came in."""

    answer: Answerer
    key: str = ""
    heard: list[bytes] = field(default_factory=list)

    def start(self, port: int = 0) -> None:
        """Listen on a port, or on any free one."""
        server = self
        handler = type("Handler", (_Handler,), {"model": server})
        try:
            self._http = ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError as problem:
            raise GymError(f"cannot listen on port {port}: {problem}") from problem
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    model: ModelServer

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal belongs to the person."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.model.heard.append(raw)
        if self.model.key and self.headers.get("authorization", self.headers.get("api-key", "")).removeprefix("Bearer ") != self.model.key:
            self._send(401, _error("invalid_api_key", "Incorrect API key provided."))
            return
        try:
            body = json.loads(raw)
        except ValueError:
            self._send(400, _error("invalid_request_error", "The body is not JSON."))
            return
        reply = self.model.answer(body)
        time.sleep(float(reply.get("delay", 0)))
        if "raw" in reply:
            self._send(int(reply.get("status", 200)), str(reply["raw"]).encode(), reply.get("headers"))
        elif "status" in reply:
            self._send(
                int(reply["status"]),
                _error(str(reply.get("code", "error")), str(reply.get("message", "as scripted"))),
                reply.get("headers"),
            )
        else:
            self._send(200, json.dumps(completion(reply, len(raw))).encode())

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


def _error(code: str, message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": code, "code": code, "param": None}}).encode()


def completion(reply: Reply, prompt_bytes: int = 0) -> dict[str, Any]:
    """A chat completion that says what a script item says."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.get("text")}
    calls = [reply] if "call" in reply else reply.get("calls", [])
    if calls:
        message["tool_calls"] = [
            {
                "id": f"call_{i}",
                "type": "function",
                "function": {"name": c["call"], "arguments": c["arguments"] if "arguments" in c else json.dumps(c.get("with", {}))},
            }
            for i, c in enumerate(calls)
        ]
    said = json.dumps(message)
    tokens = {"prompt_tokens": prompt_bytes // 4, "completion_tokens": len(said) // 4}
    reason = "length" if reply.get("cut") else "tool_calls" if calls else "stop"
    return {
        "id": "chatcmpl-gym",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {**tokens, "total_tokens": sum(tokens.values())},
    }
