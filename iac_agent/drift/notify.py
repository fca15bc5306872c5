"""Telling people of findings: Slack's and Teams' webhooks, and mail. Each finding is told once on each channel, with what was done.

Sources: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook (an Adaptive Card in a message).
"""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Protocol

import stamina

from iac_agent.drift.finding import Finding
from iac_agent.drift.wording import cause_text, difference_text
from iac_agent.errors import NotifyFailed

_MOST = 20
_TIMEOUT = 20.0
_MARKS = {"critical": "🔴", "high": "🟠", "medium": "🟡", "low": "🔵", "info": "⚪"}


@dataclass(frozen=True)
class News:
    """Findings of one root module, each with what became of it (`reverted`, `reported`, empty when nothing was tried)."""

    root_module: str
    findings: Sequence[tuple[Finding, str]]

    @property
    def subject(self) -> str:
        return f"{len(self.findings)} new drift finding{'s' if len(self.findings) != 1 else ''} in {self.root_module}"

    def lines(self) -> list[str]:
        """One paragraph for each finding; the rest is counted."""
        shown = [_line(f, outcome) for f, outcome in self.findings[:_MOST]]
        left = len(self.findings) - _MOST
        return shown + ([f"… and {left} more: iacagent drift history"] if left > 0 else [])


def _line(finding: Finding, outcome: str) -> str:
    differences = "; ".join(map(difference_text, finding.differences)) or finding.reason
    done = f" → {outcome}" if outcome else ""
    told = f"{_MARKS[finding.severity]} {finding.severity} {finding.kind} {finding.subject}{done}"
    return "\n".join(x for x in (told, differences, f"{finding.why}; {cause_text(finding)}") if x)


class Channel(Protocol):
    """A way to reach people. `name` tells it apart from the others. `send` raises NotifyFailed."""

    @property
    def name(self) -> str: ...
    def send(self, news: News) -> None: ...


@dataclass(frozen=True)
class Webhook:
    """A webhook that takes Slack's or Teams' JSON. The URL is a secret: it is named by the variable that holds it."""

    url: str
    format: str
    name: str

    def send(self, news: News) -> None:
        body = json.dumps(_slack(news) if self.format == "slack" else _teams(news)).encode()
        asked = urllib.request.Request(self.url, body, {"content-type": "application/json"}, method="POST")
        try:
            for attempt in stamina.retry_context(on=_is_passing, attempts=3, timeout=60):
                with attempt, urllib.request.urlopen(asked, timeout=_TIMEOUT):
                    pass
        except (OSError, ValueError) as problem:
            raise NotifyFailed(f"{self.name} did not take the findings: {problem}", hint=f"Check {self.name}.") from problem


def _is_passing(problem: Exception) -> bool:
    """Whether trying again may help: the server is busy or away."""
    if isinstance(problem, urllib.error.HTTPError):
        return problem.code == 429 or problem.code >= 500
    return isinstance(problem, OSError)


def _slack(news: News) -> dict[str, Any]:
    sections = [{"type": "section", "text": {"type": "mrkdwn", "text": _escaped(line)[:2900]}} for line in news.lines()]
    header = {"type": "header", "text": {"type": "plain_text", "text": news.subject[:150]}}
    return {"text": news.subject, "blocks": [header, *sections]}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _teams(news: News) -> dict[str, Any]:
    title = {"type": "TextBlock", "size": "Medium", "weight": "Bolder", "wrap": True, "text": news.subject}
    blocks = [{"type": "TextBlock", "wrap": True, "text": line.replace("\n", "\n\n")} for line in news.lines()]
    card = {"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4"}
    content = {**card, "body": [title, *blocks]}
    return {"type": "message", "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": content}]}


@dataclass(frozen=True)
class Mail:
    """A mail server. `security` is `starttls`, `tls` or `none`; without a user nobody signs in."""

    host: str
    port: int
    sender: str
    to: tuple[str, ...]
    security: str = "starttls"
    user: str = ""
    password: str = ""

    @property
    def name(self) -> str:
        return f"mail to {', '.join(self.to)}"

    def send(self, news: News) -> None:
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = news.subject, self.sender, ", ".join(self.to)
        message.set_content("\n\n".join(news.lines()) + "\n")
        try:
            with self._connected() as server:
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as problem:
            raise NotifyFailed(f"{self.host}:{self.port} did not take the mail: {problem}", hint="Check drift.notify.mail.") from problem

    def _connected(self) -> smtplib.SMTP:
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=_TIMEOUT, context=ssl.create_default_context())
        server = smtplib.SMTP(self.host, self.port, timeout=_TIMEOUT)
        if self.security == "starttls":
            server.starttls(context=ssl.create_default_context())
        return server
