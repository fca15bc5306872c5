"""Cost: what is known, what is unknown as unknown, and budgets that no unknown price slips through."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from iac_agent.errors import UsageError
from iac_agent.guard.cost import prices
from iac_agent.guard.cost.estimate import Budget, Estimator, within
from iac_agent.guard.planned import Resource, World
from iac_agent.guard.policy import Ruling
from iac_agent.guard.references import Wiring
from tests.conftest import Sandbox

VM, SET, DISK = "azurerm_linux_virtual_machine", "azurerm_linux_virtual_machine_scale_set", "azurerm_managed_disk"
HOUR_D2S_V5, PLACE = 730, {"location": "West Europe"}


def world(**resources: dict[str, Any]) -> World:
    """Resources by name, each with its type under `type`; what is under `unknown` is known only after apply."""
    held = {}
    for name, values in resources.items():
        kind = values["type"]
        unknown = dict.fromkeys(values.get("unknown", ()), True)
        held[f"{kind}.{name}"] = Resource(
            f"{kind}.{name}", kind, "create", {k: v for k, v in values.items() if k not in ("type", "unknown")}, unknown
        )
    found = World(held, Wiring({}))
    for resource in held.values():
        resource.world = found
    return found


def price(meter: str, region: str = "westeurope") -> float:
    found = prices.shipped().find(region, lambda i: i["meterName"] == meter and not i["productName"].endswith("Windows"))
    assert found is not None, meter
    return float(found["retailPrice"])


def vm(**more: Any) -> dict[str, Any]:
    return {
        "type": VM,
        **PLACE,
        "size": "Standard_D2s_v5",
        "os_disk": [{"storage_account_type": "StandardSSD_LRS", "disk_size_gb": 64}],
        **more,
    }


def monthly(values: dict[str, Any]) -> float | None:
    return Estimator(prices.shipped()).monthly(next(iter(world(a=values).resources.values()))).amount


def test_a_machine_is_its_hours_and_its_disk() -> None:
    assert monthly(vm()) == pytest.approx(price("D2s v5") * HOUR_D2S_V5 + price("E6 LRS Disk"))


def test_a_scale_set_is_so_many_machines() -> None:
    one = {**vm(), "type": SET, "sku": "Standard_D2s_v5"}
    assert monthly({**one, "instances": 3}) == pytest.approx(3 * (monthly({**one, "instances": 1}) or 0))


@pytest.mark.parametrize(("size", "tier"), [(4, "S4"), (32, "S4"), (33, "S6"), (128, "S10"), (129, "S15"), (1024, "S30"), (32767, "S80")])
def test_disks_are_paid_by_their_tier(size: int, tier: str) -> None:
    assert monthly({"type": DISK, **PLACE, "storage_account_type": "Standard_LRS", "disk_size_gb": size}) == price(f"{tier} LRS Disk")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (vm(size="Standard_XX9"), "no price for Standard_XX9 in westeurope"),
        (vm(location="Mars Central"), "in marscentral"),
        (vm(priority="Spot"), "Standard_D2s_v5 Spot"),
        (vm(unknown=("size",)), "size is known after apply"),
        ({"type": "azurerm_kubernetes_cluster"}, "no price for azurerm_kubernetes_cluster"),
        ({"type": DISK, **PLACE, "storage_account_type": "UltraSSD_LRS", "disk_size_gb": 8}, "IOPS"),
    ],
)
def test_unknown_is_not_free(values: dict[str, Any], why: str) -> None:
    found = Estimator(prices.shipped()).monthly(next(iter(world(a=values).resources.values())))
    assert found.amount is None
    assert why in found.why


def test_before_and_after() -> None:
    found = Estimator(prices.shipped()).estimate(world(a=vm(), b=vm()), world(a=vm(size="Standard_D4s_v5")))
    assert [line.address for line in found.lines] == [f"{VM}.a", f"{VM}.b"]
    assert found.after - found.before == pytest.approx(found.change)
    assert found.before == pytest.approx(price("D4s v5") * HOUR_D2S_V5 + price("E6 LRS Disk"))


def test_a_budget_is_refused_kept_or_unknown() -> None:
    estimate = Estimator(prices.shipped()).estimate(world(a=vm()), world())
    assert within(Budget(monthly=estimate.after), estimate) == []
    (over,) = within(Budget(monthly=estimate.after - 0.01), estimate)
    assert (over.rule, over.outcome, over.address) == ("CST-100", Ruling.REFUSE, f"{VM}.a")
    (rise,) = within(Budget(increase=1), estimate)
    assert (rise.rule, rise.outcome) == ("CST-101", Ruling.REFUSE)
    doubtful = Estimator(prices.shipped()).estimate(world(a=vm(), b=vm(size="Standard_XX9")), world())
    (unknown,) = within(Budget(monthly=10_000), doubtful)
    assert unknown.outcome == Ruling.UNKNOWN
    assert "without 1 whose price is unknown" in unknown.value


def test_a_change_that_saves_is_let_through_over_the_budget() -> None:
    estimate = Estimator(prices.shipped()).estimate(world(a=vm()), world(a=vm(size="Standard_D4s_v5")))
    (found,) = within(Budget(monthly=1), estimate)
    assert found.standing
    assert found.outcome == Ruling.WARN


# --- the list ----------------------------------------------------------------------------------------------------------


class _Api(BaseHTTPRequestHandler):
    """The retail prices API: two pages for each service."""

    asked: list[str] = []

    def do_GET(self) -> None:
        query = parse_qs(urlparse(self.path).query)
        _Api.asked.append(query["$filter"][0])
        second = "page" in query
        item = {"armRegionName": "westeurope", "retailPrice": 9.0, "tierMinimumUnits": 0, "type": "Consumption", "meterName": "E6 LRS Disk",
                "serviceName": "Storage", "productName": "Standard SSD Managed Disks"}  # fmt: skip
        following = None if second else f"http://{self.headers['Host']}{self.path}&page=2"
        body = json.dumps({"Items": [item], "NextPageLink": following, "Count": 1}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def test_the_list_is_fetched_page_by_page_and_used(sandbox: Sandbox, tmp_path: Path) -> None:
    server = HTTPServer(("127.0.0.1", 0), _Api)
    Thread(target=server.serve_forever, daemon=True).start()
    sandbox.extra["XDG_CACHE_HOME"] = str(tmp_path)
    ran = sandbox.iacagent("policy", "prices", "--region", "westeurope", "--url", f"http://127.0.0.1:{server.server_port}/api")
    server.shutdown()
    server.server_close()
    assert ran.code == 0, ran.err
    assert len(_Api.asked) == 2 * len(prices.SERVICES)
    assert "armRegionName eq 'westeurope'" in _Api.asked[0]
    held = prices.current(tmp_path / "iacagent")
    assert held.date > prices.shipped().date or held is prices.shipped()
    assert len(prices.PriceList.read((tmp_path / "iacagent" / "prices.json").read_text()).items) == 2 * len(prices.SERVICES)


def test_no_network_is_told_and_changes_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.extra["XDG_CACHE_HOME"] = str(tmp_path)
    ran = sandbox.iacagent("policy", "prices", "--url", "http://127.0.0.1:9/api")
    assert ran.code == 1
    assert "cannot be fetched" in ran.err
    assert prices.current(tmp_path / "iacagent") is prices.shipped()


def test_what_is_no_list_is_refused() -> None:
    with pytest.raises(UsageError):
        prices.PriceList.read('{"Items": 3}')
