"""What the state and the configuration know: sizes, places, tags, disks, addresses. Nothing of it is asked of Azure.

Values that Terraform marks as sensitive, or that look like secrets, are not told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from iac_agent.guard import redact
from iac_agent.monitor.answer import Answer, Table
from iac_agent.monitor.targets import Target, Targets
from iac_agent.planner import lexicon
from iac_agent.planner.inventory import ATTACHMENT, DISK, MACHINES, NIC, RULE, Inventory, Resource

_Cell = Callable[[Inventory, Resource], str]


def _text(path: str) -> _Cell:
    return lambda _, r: _shown(r.value(path))


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}={v}" for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _tags(_: Inventory, resource: Resource) -> str:
    return redact.text(", ".join(f"{k}={v}" for k, v in resource.tags.items()))


def _image(_: Inventory, resource: Resource) -> str:
    parts = [_shown(resource.value(f"source_image_reference.{p}")) for p in ("offer", "sku")]
    return " ".join(p for p in parts if p)


def _addresses(inventory: Inventory, resource: Resource) -> str:
    found = [_shown(n.value("private_ip_address")) for n in inventory.related(resource, (NIC,)) if n.type == NIC]
    public = _shown(resource.state.values.get("public_ip_address")) if resource.state else ""
    return ", ".join(p for p in [*found, public] if p)


def _disks(inventory: Inventory, resource: Resource) -> str:
    """Data disks by their names and sizes: those that an attachment or the machine itself names."""
    ours = str(resource.state.values.get("id", "")).lower() if resource.state else ""
    attached = {
        str(a.state.values.get("managed_disk_id", "")).lower()
        for a in inventory.of_types(ATTACHMENT)
        if a.state and ours and str(a.state.values.get("virtual_machine_id", "")).lower() == ours
    }
    found = [d for d in inventory.of_types(DISK) if d.state and str(d.state.values.get("id", "")).lower() in attached]
    os_disk = _shown(resource.value("os_disk.storage_account_type"))
    return ", ".join([f"OS {os_disk}", *(f"{d.azure_name} {_shown(d.value('disk_size_gb'))} GB" for d in found)])


def _boot_diagnostics(_: Inventory, resource: Resource) -> str:
    return "on" if resource.value("boot_diagnostics") else "off"


# The column a word asks for; without one of them the first few are shown.
_COLUMNS: tuple[tuple[str, str, _Cell], ...] = (
    ("size", r"\bsizes?\b|\bskus?\b|\bcores?\b|\bbig\b|\blarge\b|\bvcpus?\b", _text("size")),
    ("location", r"\blocations?\b|\bregions?\b|\bwhere\b", _text("location")),
    ("zone", r"\bzones?\b", _text("zone")),
    ("priority", r"\bspot\b|\bpriorit\w+\b|\bregular\b", lambda _, r: _shown(r.value("priority")) or "Regular"),
    ("tags", r"\btag\w*\b|\bowner\b|\blabels?\b", _tags),
    ("image", r"\bimages?\b|\bos\b|\boperating system\b|\bubuntu\b|\bdistribution\b", _image),
    ("addresses", r"\bips?\b|\baddress(?:es)?\b", _addresses),
    ("disks", r"\bdisks?\b|\bstorage\b", _disks),
    ("boot diagnostics", r"\bboot diag\w*\b", _boot_diagnostics),
)
_RULE_COLUMNS = ("name", "priority", "direction", "access", "protocol", "destination_port_range", "source_address_prefix")


def answered(text: str, targets: Targets, machines: Sequence[Target]) -> Answer:
    """What is configured, as a table of the resources that are meant and the columns that are asked for."""
    inventory = targets.inventory
    if re.search(r"\brules?\b|\bports?\b|\bnsg\b|\bsecurity groups?\b", text, re.IGNORECASE):
        return _rules(inventory)
    kinds = [k for m in lexicon.KIND_PATTERN.finditer(text) for k in lexicon.kind_of(m) if k not in MACHINES]
    asked = [c for c in _COLUMNS if re.search(c[1], text, re.IGNORECASE)]
    if kinds and not any(c[0] == "disks" for c in asked):
        return _others(inventory, kinds)
    columns = asked or list(_COLUMNS[:5])
    found = [r for t in machines if (r := inventory.by_address.get(t.address)) is not None]
    if re.search(r"\b(?:which|how many|any|list)\b.*\bspot\b", text, re.IGNORECASE):
        wanted = re.search(r"\b(?:not|non|no|aren't|isn't|without)\b[\w ]{0,12}\bspot\b", text, re.IGNORECASE) is None
        found = [r for r in found if (r.value("priority") == "Spot") == wanted]
    rows = [(r.azure_name, r.address, *(cell(inventory, r) for _, _, cell in columns)) for r in found]
    sentence = f"{len(rows)} machine{'s' if len(rows) != 1 else ''}."
    if len(rows) == 1 and asked:
        sentence = (
            "; ".join(f"{name} of {rows[0][0]}: {value or 'none'}" for (name, _, _), value in zip(asked, rows[0][2:], strict=True)) + "."
        )
    return _table("composition", [sentence], ("name", "address", *(name for name, _, _ in columns)), rows)


def _others(inventory: Inventory, kinds: list[str]) -> Answer:
    found = inventory.of_types(*kinds)
    rows = [(r.azure_name, r.address, _shown(r.value("location")), _tags(inventory, r)) for r in found]
    return _table("composition", [f"{len(rows)} found."], ("name", "address", "location", "tags"), rows)


def _rules(inventory: Inventory) -> Answer:
    """Every rule of every security group."""
    rows: list[tuple[str, ...]] = []
    for resource in inventory.resources:
        if resource.type == "azurerm_network_security_group":
            for rule in resource.value("security_rule") or []:  # type: ignore[attr-defined]
                rows.append((resource.azure_name, *(_shown(rule.get(c)) for c in _RULE_COLUMNS)))
        elif resource.type == RULE:
            owner = _shown(resource.value("network_security_group_name"))
            rows.append((owner, *(_shown(resource.value(c)) for c in _RULE_COLUMNS)))
    return _table("composition", [f"{len(rows)} rule{'s' if len(rows) != 1 else ''}."], ("group", *_RULE_COLUMNS), rows)


def _table(kind: str, sentences: list[str], headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Answer:
    return Answer(kind, sentences, Table(headings, rows), sources=["the Terraform state and configuration"])
