"""Delivering alerts: webhooks and mail of action groups, to addresses on this machine only. Every attempt is kept.

One thread delivers in order, so that a slow receiver holds up no request to the gym.
"""

from __future__ import annotations

import json
import queue
import smtplib
import threading
import urllib.error
import urllib.request
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

from iac_agent.gym.cloud import Cloud
from iac_agent.gym.life.alerts import Notice
from iac_agent.gym.store import Body

_HERE = ("localhost", "127.0.0.1", "::1")
_SECONDS, _KEPT = 5, 500


class Delivery:
    """The deliveries of one gym. The setting `smtp` (`127.0.0.1:1025`) names the mail server."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._waiting: queue.Queue[Notice] = queue.Queue()
        threading.Thread(target=self._work, daemon=True).start()

    def send(self, notices: list[Notice]) -> None:
        for notice in notices:
            self._waiting.put(notice)

    def _work(self) -> None:
        while True:
            notice = self._waiting.get()
            group = self.cloud.store.get(notice.action_group)
            for receiver, address, send in _receivers(group.properties if group else {}, str(self.cloud.store.setting("smtp", ""))):
                try:
                    outcome = send(notice.payload)
                except (OSError, ValueError, smtplib.SMTPException, urllib.error.URLError) as problem:
                    outcome = f"failed: {problem}"
                self._keep(notice, receiver, address, outcome)

    def _keep(self, notice: Notice, receiver: str, address: str, outcome: str) -> None:
        essentials = notice.payload["data"]["essentials"]
        entry = {
            "time": self.cloud.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "alert": essentials["alertRule"],
            "condition": essentials["monitorCondition"],
            "receiver": receiver,
            "address": address,
            "outcome": outcome,
        }
        kept = self.cloud.store.setting("deliveries", [])
        self.cloud.store.set_setting("deliveries", [*kept, entry][-_KEPT:])


def _receivers(group: Body, smtp: str) -> list[tuple[str, str, Any]]:
    """Name, address and how to send, of every receiver of an action group."""
    if not group or group.get("enabled") is False:
        return []
    hooks = [(r["name"], r["serviceUri"], _hook(str(r["serviceUri"]))) for r in group.get("webhookReceivers") or []]
    mails = [(r["name"], r["emailAddress"], _mail(str(r["emailAddress"]), smtp)) for r in group.get("emailReceivers") or []]
    kinds = ("smsReceivers", "voiceReceivers", "azureAppPushReceivers", "logicAppReceivers", "azureFunctionReceivers", "armRoleReceivers")
    others = [(r["name"], kind, lambda _: "not delivered: the gym has no such receiver") for kind in kinds for r in group.get(kind) or []]
    return hooks + mails + others


def _hook(url: str) -> Any:
    def send(payload: Body) -> str:
        if urlsplit(url).hostname not in _HERE:
            return "not delivered: the gym delivers to this machine only"
        asked = urllib.request.Request(url, json.dumps(payload).encode(), {"content-type": "application/json; charset=utf-8"})
        with urllib.request.urlopen(asked, timeout=_SECONDS) as answer:
            return f"delivered ({answer.status})"

    return send


def _mail(address: str, smtp: str) -> Any:
    def send(payload: Body) -> str:
        host, _, port = smtp.rpartition(":")
        if host not in _HERE or not port.isdigit():
            return "not delivered: set the gym's `smtp` to a server on this machine"
        essentials = payload["data"]["essentials"]
        letter = EmailMessage()
        letter["From"], letter["To"] = "azure-noreply@localhost", address
        letter["Subject"] = f"{essentials['monitorCondition']}: {essentials['severity']} {essentials['alertRule']}"
        letter.set_content(json.dumps(payload["data"], indent=2))
        with smtplib.SMTP(host, int(port), timeout=_SECONDS) as server:
            server.send_message(letter)
        return "delivered"

    return send
