"""Metrics and logs of a resource into a workspace or a storage account: a diagnostic setting in HCL.

Source: https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs/resources/monitor_diagnostic_setting; which types have logs:
https://learn.microsoft.com/azure/azure-monitor/reference/supported-logs/logs-index
"""

from __future__ import annotations

import re

from iac_agent.hcl.document import literal
from iac_agent.planner.inventory import Resource
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.selection import Selection
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World, listed
from iac_agent.planner.writing.style import add_resource, block_source, file_of, id_of, label_for

_SETTING = "azurerm_monitor_diagnostic_setting"
_WORKSPACE, _ACCOUNT = "azurerm_log_analytics_workspace", "azurerm_storage_account"
# Types with metrics to send, each with whether it has logs too.
_KINDS = {
    "azurerm_lb": True,
    "azurerm_public_ip": True,
    "azurerm_network_security_group": True,
    "azurerm_virtual_network": True,
    "azurerm_key_vault": True,
    "azurerm_network_interface": False,
    "azurerm_linux_virtual_machine": False,
    "azurerm_windows_virtual_machine": False,
}
_UNMEASURED = ("azurerm_network_security_group",)
_SENDS = (
    r"\b(?:send|ship|stream|forward|route|push|export|collect|store|archive|keep|put|pipe|turn on|enable|add|create|configure|set up)\b"
)
_WHAT = r"\b(?:metrics?|(?<!serial )(?<!boot )logs?|diagnostic settings?|telemetry)\b"
_WHERE = re.compile(
    r"\b(?:to|into|in|on)\s+(?:the |our |my )?(?P<where>[\w -]*?(?:workspace|log analytics|storage account)[\w -]*|law-[\w-]+|log-[\w-]+)",
    re.IGNORECASE,
)


class DiagnosticSetting:
    id = "diagnostic-setting"
    title = "send metrics and logs of a resource to a workspace or a storage account"
    examples: tuple[str, ...] = ("send the logs of nsg-web to the logs storage account",)

    def claims(self, wish: Wish, world: World) -> bool:
        return wish.has(_SENDS) and wish.has(_WHAT) and _WHERE.search(wish.text) is not None and not wish.has(r"\bboot[\s-]*diag")

    def plan(self, wish: Wish, world: World) -> None:
        where = _WHERE.search(wish.text)
        assert where is not None, "claimed"
        sink, argument = self._sink(where["where"], world)
        said = Wish(f"{wish.text[: where.start()]} {wish.text[where.end() :]}").without(_SENDS, _WHAT)
        targets = world.choose(wish, tuple(_KINDS), said)
        for target in targets:
            self._write(wish, target, sink, argument, world)
        world.touch(world.advance())
        world.say(f"Send {_said(wish)} of {listed(targets)} to {sink.address}.")

    @staticmethod
    def _sink(said: str, world: World) -> tuple[Resource, str]:
        """Where it goes, and the argument that names it."""
        kind = _ACCOUNT if re.search(r"storage", said, re.IGNORECASE) else _WORKSPACE
        chosen = world.selector.select(said, (kind,))
        if isinstance(chosen, Question):
            raise Unsettled(chosen)
        if not isinstance(chosen, Selection):
            raise Unsettled(Refusal(f"There is no {kind.removeprefix('azurerm_').replace('_', ' ')} here. Add one first."))
        return chosen.resources[0], "storage_account_id" if kind == _ACCOUNT else "log_analytics_workspace_id"

    @staticmethod
    def _write(wish: Wish, target: Resource, sink: Resource, argument: str, world: World) -> None:
        source, home = id_of(world, target), id_of(world, sink)
        logs, metrics = (
            _KINDS[target.type] and wish.has(r"\b(?:logs?|telemetry|settings?)\b"),
            wish.has(r"\b(?:metrics?|telemetry|settings?)\b"),
        )
        if wish.has(r"\blogs?\b") and not _KINDS[target.type] and not metrics:
            raise Unsettled(Refusal(f"{target.address} has no logs of the platform, only metrics; logs of a guest need an agent in it."))
        blocks = [block_source("enabled_log", {"category_group": '"allLogs"'})] if logs else []
        if metrics and target.type not in _UNMEASURED:
            blocks.append(block_source("enabled_metric", {"category": '"AllMetrics"'}))
        if not blocks:
            raise Unsettled(Refusal(f"{target.address} has no metrics to send."))
        name = f"diag-{target.azure_name or target.label}"
        if any(r.azure_name == name for r in world.inventory.of_types(_SETTING)):
            raise Unsettled(Refusal(f"There is a diagnostic setting {name} already."))
        arguments = {"name": literal(name), "target_resource_id": source, argument: home}
        add_resource(world, _SETTING, label_for(world, _SETTING, target.label), arguments, file_of(sink), blocks=blocks)


def _said(wish: Wish) -> str:
    return " and ".join(w for w in ("logs", "metrics") if wish.has(rf"\b{w[:-1]}s?\b")) or "logs and metrics"
