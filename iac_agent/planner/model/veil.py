"""What keeps secrets from the model: each becomes a placeholder before anything leaves, and comes back in edits only."""

from __future__ import annotations

import re
from collections.abc import Iterable

from iac_agent.errors import EditRejected
from iac_agent.hcl import secrets
from iac_agent.hcl.configuration import Configuration
from iac_agent.hcl.module import RootModule
from iac_agent.terraform.models import State

_MARK = re.compile(r"SECRET_\d{3,}_KEPT")
_LEAST = 4


class Veil:
    """Secrets of one root module and their placeholders. Text goes out through `hide` only."""

    def __init__(self, found: Iterable[str]) -> None:
        self._marks: dict[str, str] = {}
        for secret in found:
            self._learn(secret)

    @classmethod
    def over(cls, root: RootModule, state: State) -> Veil:
        """Everything sensitive in the configuration, its variable files, and the state."""
        veil = cls(s for module in root.modules for d in module.documents for s in secrets.in_text(d.data.decode("utf-8", "replace")))
        for pattern in ("*.tfvars", "*.tfvars.json", "*.yaml", "*.yml", "*.json"):
            for file in sorted(root.directory.rglob(pattern)):
                if ".terraform" not in file.parts and ".iacagent" not in file.parts and file.is_file() and file.stat().st_size < 1_000_000:
                    for secret in secrets.in_text(file.read_text("utf-8", "replace")):
                        veil._learn(secret)
        veil._learn_declared(root)
        for resource in state.resources():
            for secret in secrets.in_values(resource.values, resource.sensitive_values):
                veil._learn(secret)
        return veil

    def _learn_declared(self, root: RootModule) -> None:
        """Values of variables that are declared sensitive, wherever they are given."""
        scope = Configuration(root).scopes[0]
        for module in root.modules[:1]:
            for address, blocks in module.index.items():
                mark = blocks[0].attributes.get("sensitive") if address.startswith("variable.") else None
                if mark is not None and blocks[0].document.text(mark.value) == "true":
                    for value in scope.variable(address.removeprefix("variable.")).walk():
                        if isinstance(value.data, str):
                            self._learn(value.data)

    def _learn(self, secret: str) -> None:
        plain = secret.strip()
        if len(plain) >= _LEAST and plain not in self._marks and not _MARK.fullmatch(plain):
            self._marks[plain] = f"SECRET_{len(self._marks):03d}_KEPT"

    def hide(self, text: str) -> str:
        """The text with every known or recognisable secret replaced."""
        for secret in secrets.in_text(text):
            self._learn(secret)
        for secret in sorted(self._marks, key=len, reverse=True):
            if secret in text:
                text = text.replace(secret, self._marks[secret])
        return text

    def reveal(self, text: str, standing: str) -> str:
        """The text with placeholders turned back. Raises EditRejected for one that was never given out, and for one whose secret is not in
        `standing`, what stood there before: a secret may stay, and goes nowhere else.
        """
        known = {mark: secret for secret, mark in self._marks.items()}
        for mark in set(_MARK.findall(text)):
            if mark not in known:
                raise EditRejected(f"{mark} stands for nothing")
            if known[mark] not in standing:
                raise EditRejected(f"{mark} stands for a secret, which stays where it is")
            text = text.replace(mark, known[mark])
        return text
