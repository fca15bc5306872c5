"""Setting the scene of a task: what people do by hand, load, faults, time. Each step of a task's `setup` is one method here."""

from __future__ import annotations

import json
import re
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iac_agent.errors import GymError
from iac_agent.gym.daemon import Gym
from iac_agent.gym.limits import ordered

_API = "2024-07-01"
_PEOPLE = {"alice": "alice@contoso.com", "bob": "bob@contoso.com", "script": "ops-script"}
_POWER = {"deallocated": "deallocate", "stopped": "powerOff", "running": "start", "restart": "restart"}
_SPAN = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass
class Scene:
    """Acts on one gym. `apply` runs Terraform in the task's directory, for more HCL that is in force before the request."""

    gym: Gym
    endpoint: str

    def play(self, step: dict[str, Any]) -> None:
        """One step. Raises GymError for a step that there is not, or that Azure refuses."""
        ((name, given),) = step.items()
        method = getattr(self, f"_{name}", None)
        if method is None:
            raise GymError(f"there is no setup step {name!r}")
        method(given)

    # --- what people do --------------------------------------------------------------------------------------------

    def _tag(self, given: dict[str, Any]) -> None:
        machine = self._find(given["vm"])
        self._call("PATCH", machine["id"], given["by"], {"tags": {**(machine.get("tags") or {}), **given["tags"]}})

    def _resize(self, given: dict[str, Any]) -> None:
        body = {"properties": {"hardwareProfile": {"vmSize": given["size"]}}}
        self._call("PATCH", self._find(given["vm"])["id"], given["by"], body)

    def _power(self, given: dict[str, Any]) -> None:
        self._call("POST", f"{self._find(given['vm'])['id']}/{_POWER[given['state']]}", given["by"])

    def _rule(self, given: dict[str, Any]) -> None:
        group = self._find(given["nsg"])
        taken = {r["properties"]["priority"] for r in group["properties"].get("securityRules") or []}
        properties = {
            "priority": next(p for p in range(200, 4000, 10) if p not in taken),
            "direction": "Inbound",
            "access": "Allow",
            "protocol": "Tcp",
            "sourcePortRange": "*",
            "destinationPortRange": str(given["port"]),
            "sourceAddressPrefix": given["source"],
            "destinationAddressPrefix": "*",
        }
        self._call("PUT", f"{group['id']}/securityRules/{given['name']}", given["by"], {"properties": properties})

    # --- what the gym does -----------------------------------------------------------------------------------------

    def _load(self, given: dict[str, str]) -> None:
        body = {}
        for machine, text in given.items():
            profile, *pairs = text.split()
            body[machine] = {"profile": profile, **{k: float(v) for k, _, v in (p.partition("=") for p in pairs)}}
        self.gym.tell("load", body)

    def _advance(self, span: str) -> None:
        match = re.fullmatch(r"(\d+)([smhd])", span)
        if match is None:
            raise GymError(f"{span!r} is no span of time")
        self.gym.tell("time", {"advance": int(match[1]) * _SPAN[match[2]]})

    def _boot(self, given: dict[str, str]) -> None:
        self.gym.tell("ail", {"machine": given["vm"], "boot": given["kind"], "text": given.get("text", "")})

    def _agent(self, given: dict[str, str]) -> None:
        self.gym.tell("ail", {"machine": given["vm"], "agent": given["state"]})

    def _fault(self, given: dict[str, Any]) -> None:
        fresh = ordered(given["kind"], given["on"], given.get("times", 1), seconds=given.get("seconds"))
        self.gym.settings(faults=[*self.gym.tell("faults", method="GET")["faults"], fresh])

    def _quota(self, given: dict[str, Any]) -> None:
        self.gym.settings(quota={given["family"]: given["cores"]})

    # --- calls -----------------------------------------------------------------------------------------------------

    def _find(self, name: str) -> dict[str, Any]:
        for resource in self.gym.tell("resources", method="GET")["resources"]:
            if str(resource["body"].get("name", "")).lower() == name.lower():
                found: dict[str, Any] = resource["body"]
                return found
        raise GymError(f"the scene has no resource {name!r}")

    def _call(self, method: str, path: str, by: str, body: dict[str, Any] | None = None) -> None:
        """One call to ARM as a person, and the wait for what it started."""
        token = self.gym.tell("token", method="GET", query={"principal": _PEOPLE[by]})["access_token"]
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        context = ssl.create_default_context(cafile=str(Path(self.gym.folder) / "ca.pem"))
        data = json.dumps(body).encode() if body is not None else b""
        asked = urllib.request.Request(f"{self.endpoint}{path}?api-version={_API}", data, headers, method=method)
        try:
            with urllib.request.urlopen(asked, context=context, timeout=30) as answer:
                answer.read()
        except urllib.error.HTTPError as problem:
            raise GymError(f"the scene could not be set: {method} {path}: {problem.read()[:300]!r}") from problem
        time.sleep(0.01)
