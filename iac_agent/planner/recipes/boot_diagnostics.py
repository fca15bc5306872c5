"""Boot diagnostics: an empty `boot_diagnostics` block uses a managed storage account.

Source: https://learn.microsoft.com/azure/virtual-machines/boot-diagnostics
"""

from __future__ import annotations

import re

from iac_agent.hcl import edits as e
from iac_agent.hcl.paths import source_at
from iac_agent.planner.inventory import MACHINES, SCALE_SETS, Resource
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.selection import HAVING, Selection
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World, listed
from iac_agent.planner.writing.nested import block_present
from iac_agent.planner.writing.style import reference

_TOPIC = re.compile(r"\bboot[\s-]*(?:diag\w*|logs?|logging)\b|\bdiagnostics at boot\b|\bserial (?:console|log)s?\b", re.IGNORECASE)
_ACCOUNT = re.compile(
    r",?\s*\b(?:using|via|into|with|to|in)\s+(?:the |our |its )?(?P<account>[\w -]*?(?:storage )?account(?: [\w-]+)?)", re.IGNORECASE
)
_OFF = (
    r"\b(?:disable|deactivate|turn(?:ed|ing)? off|switch(?:ed)? off|remove|drop|no|no more|without|off|kill|get rid of|stop|lose|ditch|"
    r"not)\b|\b(?:not|\w+n't)(?: longer)? (?:need|want)\w*"
)
_WORDS = re.compile(rf"{_TOPIC.pattern}|{_OFF}|\b(?:turn|switch) (?:it |them )?on\b|\benabled?\b|\bon$", re.IGNORECASE)


class BootDiagnostics:
    id = "boot-diagnostics"
    title = "turn boot diagnostics on or off"
    examples: tuple[str, ...] = (
        "enable boot diagnostics on vm-web",
        "no more boot diagnostics on db",
        "turn boot diag on for all vms",
        "enable boot diagnostics on vm-web using the logs storage account",
    )

    def claims(self, wish: Wish, world: World) -> bool:
        makes = wish.has(r"^(?:please )?(?:add|create|spin up|launch|deploy|provision|new|build)\b.*\bwith boot")
        return _TOPIC.search(wish.text) is not None and not makes

    def plan(self, wish: Wish, world: World) -> None:
        on = not re.search(_OFF, _without_exceptions(wish.text), re.IGNORECASE)
        targets = list(world.choose(wish, MACHINES + SCALE_SETS, Wish(HAVING.sub(" ", wish.text)).without(_ACCOUNT, _WORDS)))
        if wish.has(r"\bmanaged\b") and not wish.has(r"\b(?:disable|turn off|switch off|remove)\b"):
            own = [t for t in targets if t.value("boot_diagnostics.storage_account_uri")]
            if own:
                world.writer.unset(own, "boot_diagnostics.storage_account_uri")
                world.touch(own)
                world.say(f"Let {listed(own)} use managed storage for boot diagnostics.")
                return
            on = True
        account = _ACCOUNT.search(wish.text)
        if on and account:
            self._into_account(targets, account["account"], world)
            return
        changing = [t for t in targets if bool(t.value("boot_diagnostics")) != on]
        if not changing:
            raise Unsettled(Refusal(f"Boot diagnostics of {listed(targets)} are {'on' if on else 'off'} already."))
        block_present(world.writer, changing, "boot_diagnostics", on)
        if on:
            world.expect(changing, "boot_diagnostics.0.storage_account_uri", "")
        else:
            world.expect(changing, "boot_diagnostics", [])
        world.touch(changing)
        world.say(f"Turn boot diagnostics {'on' if on else 'off'} for {listed(changing)}.")

    @staticmethod
    def _into_account(targets: list[Resource], named: str, world: World) -> None:
        """Boot diagnostics in a storage account of one's own."""
        chosen = world.selector.select(named, ("azurerm_storage_account",))
        if not isinstance(chosen, Selection) or len(chosen.resources) != 1:
            raise Unsettled(chosen if isinstance(chosen, Question) else Refusal("There is no storage account here."))
        source = reference(world, chosen.resources[0], "primary_blob_endpoint")
        shared = next((t for t in targets if len(world.inventory.siblings(t)) > 1 or t.instance.scope.module.path), None)
        if shared is not None or source is None:
            raise Unsettled(Refusal(f"{listed(targets)} is made together with others; write storage_account_uri by hand there."))
        for target in targets:
            if target.instance.body.get("boot_diagnostics") is None:
                world.writer.add(e.AddBlock(target.block_address, "boot_diagnostics", (("storage_account_uri", source),)))
            else:
                now = source_at(target.block, ("boot_diagnostics", "storage_account_uri")) or ""
                world.writer.add(e.SetAttribute(target.block_address, "boot_diagnostics.storage_account_uri", source, replacing=now))
        world.touch(targets)
        world.say(f"Keep the boot diagnostics of {listed(targets)} in {chosen.resources[0].address}.")


def _without_exceptions(text: str) -> str:
    text = HAVING.sub(" ", text)
    return re.sub(r",?\s*(?:but |and )?\bnot\s+(?:on|for|the)\b.*|\bno public ip\b", "", text, flags=re.IGNORECASE)
