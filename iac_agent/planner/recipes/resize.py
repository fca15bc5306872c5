"""`resize vm to Standard_D4s_v5`; an OS or data disk to a number of GB; a scale set to a number of instances."""

from __future__ import annotations

import re

from iac_agent.hcl.document import literal
from iac_agent.hcl.edits import SetAttribute
from iac_agent.planner import resolve
from iac_agent.planner.inventory import MACHINES, SCALE_SETS, Inventory
from iac_agent.planner.protocol import Answer, ChangeSet, Context, Expectation, Question, Refusal

_SIZE = re.compile(r"\b(?:Standard_)?((?:[A-Z]{1,2}|Basic_A)\d+[a-z]*(?:-\d+)?[a-z]*(?:_v\d+)?)\b")
_FULL_SIZE = re.compile(r"\b(Standard|Basic)_([A-Za-z]+\d+[a-z\-\d]*(?:_v\d+)?)\b", re.IGNORECASE)
_VERB = re.compile(
    r"\b(resize|scale (?:up|down)|upsize|downsize|change (?:the )?size|set (?:the )?size|bigger|smaller|size)\b", re.IGNORECASE
)
_DISK = re.compile(r"\b(\d+)\s*(?:GB|GiB|gigs?)\b", re.IGNORECASE)
_INSTANCES = re.compile(r"\b(?:scale|resize|set)\b.*?\b(\d+)\s*(?:instances|machines|vms|nodes)\b|\bto (\d+) instances\b", re.IGNORECASE)


class Resize:
    title = "resize a VM, a disk, or a scale set"
    example = "resize vm-web to Standard_D4s_v5"

    def plan(self, request: str, inventory: Inventory, context: Context) -> Answer | None:
        count = _INSTANCES.search(request)
        if count:
            return self._set(request, inventory, context, SCALE_SETS, "instances", count[1] or count[2])
        disk = _DISK.search(request)
        if disk and re.search(r"\b(os )?disk\b", request, re.IGNORECASE):
            return self._disk(request, inventory, context, disk[1])
        full = _FULL_SIZE.search(request)
        short = _SIZE.search(request) if _VERB.search(request) else None
        if not full and not short:
            return None
        size = f"{full[1].capitalize()}_{full[2]}" if full else f"Standard_{short[1]}" if short else ""
        kinds = SCALE_SETS if re.search(r"\b(scale set|vmss)\b", request, re.IGNORECASE) else MACHINES + SCALE_SETS
        without = request.replace(full[0] if full else short[0] if short else "", "")
        return self._set(without, inventory, context, kinds, "size", literal(size))

    def _disk(self, request: str, inventory: Inventory, context: Context, gigabytes: str) -> Answer:
        if re.search(r"\bos disk\b", request, re.IGNORECASE):
            return self._set(request, inventory, context, MACHINES, "os_disk.disk_size_gb", gigabytes)
        return self._set(request, inventory, context, ("azurerm_managed_disk",), "disk_size_gb", gigabytes)

    @staticmethod
    def _set(request: str, inventory: Inventory, context: Context, kinds: tuple[str, ...], path: str, value: str) -> Answer:
        targets = resolve.find(request, inventory, kinds, context.answer)
        if targets is None or isinstance(targets, Question):
            return targets or Refusal("There is nothing here of that kind to resize.")
        wanted = value.strip('"') if value.startswith('"') else int(value)
        edits, expects = [], []
        for resource in targets.resources:
            name = "sku" if path == "size" and resource.type in SCALE_SETS else path
            if str(resource.value(name)) == str(wanted):
                continue
            edits.append(SetAttribute(resource.address, name, value))
            expects.append(Expectation(resource.address, name.replace("os_disk.", "os_disk.0."), wanted))
        names = ", ".join(r.address for r in targets.resources)
        if not edits:
            return Refusal(f"{names} has {path} {wanted} already.")
        return ChangeSet(f"Set {path} of {names} to {wanted}.", tuple(edits), tuple(expects))
