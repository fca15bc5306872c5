"""`enable boot diagnostics`: an empty `boot_diagnostics` block uses a managed storage account.

Source: https://learn.microsoft.com/azure/virtual-machines/boot-diagnostics
"""

from __future__ import annotations

import re

from iac_agent.hcl.document import literal
from iac_agent.hcl.edits import AddBlock, Edit, RemoveBlock, SetAttribute
from iac_agent.planner import resolve
from iac_agent.planner.inventory import MACHINES, SCALE_SETS, Inventory
from iac_agent.planner.protocol import Answer, ChangeSet, Context, Expectation, Question, Refusal

_TOPIC = re.compile(r"\bboot[\s-]*(?:diagnostics?|logs?|logging)\b", re.IGNORECASE)
_OFF = re.compile(r"\b(disable|turn off|switch off|remove|no|without)\b", re.IGNORECASE)
_URI = re.compile(r"https://\S+")


class BootDiagnostics:
    title = "enable or disable boot diagnostics"
    example = "enable boot diagnostics on vm-web"

    def plan(self, request: str, inventory: Inventory, context: Context) -> Answer | None:
        if not _TOPIC.search(request):
            return None
        off = bool(_OFF.search(request))
        uri = _URI.search(request)
        targets = resolve.find(_TOPIC.sub("", request), inventory, MACHINES + SCALE_SETS, context.answer)
        if targets is None or isinstance(targets, Question):
            return targets or Refusal("There is no virtual machine or scale set here that this could mean.")
        edits: list[Edit] = []
        expects: list[Expectation] = []
        for resource in targets.resources:
            present = any(b.type == "boot_diagnostics" for b in resource.block.blocks)
            arguments = (("storage_account_uri", literal(uri[0])),) if uri else ()
            if off and present:
                edits.append(RemoveBlock(resource.address, "boot_diagnostics"))
            elif not off and not present:
                edits.append(AddBlock(resource.address, "boot_diagnostics", arguments))
            elif not off and uri:
                edits.append(SetAttribute(resource.address, "boot_diagnostics.storage_account_uri", literal(uri[0])))
            if not off:
                value = uri[0] if uri else ""
                expects.append(Expectation(resource.address, "boot_diagnostics.0.storage_account_uri", value))
            else:
                expects.append(Expectation(resource.address, "boot_diagnostics", []))
        names = ", ".join(r.address for r in targets.resources)
        word = "Disable" if off else "Enable"
        if not edits:
            return Refusal(f"Boot diagnostics of {names} are {'off' if off else 'on'} already.")
        return ChangeSet(f"{word} boot diagnostics on {names}.", tuple(edits), tuple(expects))
