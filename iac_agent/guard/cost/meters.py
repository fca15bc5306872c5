"""Which meters a resource runs, and how much of each in a month of 730 hours.

What is paid by use (traffic, operations, ingested logs) is not counted: a plan does not say how much that will be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from iac_agent.guard.cost.prices import Item
from iac_agent.guard.planned import AFTER_APPLY, Resource

HOURS = 730.0
_TIERS = (
    (4, 1), (8, 2), (16, 3), (32, 4), (64, 6), (128, 10), (256, 15), (512, 20), (1024, 30), (2048, 40), (4096, 50), (8192, 60), (16384, 70),
    (32767, 80),
)  # fmt: skip
_PRODUCT = {"Premium": ("P", "Premium SSD"), "StandardSSD": ("E", "Standard SSD"), "Standard": ("S", "Standard HDD")}
_IMAGE_GB = {"azurerm_windows_virtual_machine": 127}
_LICENSED = ("Windows_Server", "Windows_Client")
_INCLUDED_RULES = 5


@dataclass(frozen=True)
class Meter:
    """Something that is paid for: how its item is told from others, and how much of it a month. `what` is for people."""

    what: str
    fits: Callable[[Item], bool]
    quantity: float


class UnknownPriceError(Exception):
    """Why the price of a resource cannot be told."""


def of(resource: Resource) -> list[Meter]:
    """The meters of a resource; none for what is free. Raises UnknownPriceError for a type that is not in the table."""
    if resource.type in _FREE:
        return []
    if resource.type not in _METERS:
        raise UnknownPriceError(f"there is no price for {resource.type}")
    return list(_METERS[resource.type](resource))


def _known(resource: Resource, path: str, default: Any = None) -> Any:
    value = resource.one(path)
    if value is AFTER_APPLY:
        raise UnknownPriceError(f"{path} is known after apply")
    return default if value in (None, "") else value


def _machine(resource: Resource) -> Iterator[Meter]:
    yield _hours(resource, str(_known(resource, "size")), 1)
    if resource.blocks("os_disk") != [] and not resource.values.get("os_managed_disk_id"):
        size = _known(resource, "os_disk.disk_size_gb", _IMAGE_GB.get(resource.type, 30))
        yield _disk_of(str(_known(resource, "os_disk.storage_account_type", "Standard_LRS")), float(size), 1)


def _scale_set(resource: Resource) -> Iterator[Meter]:
    count = max(0.0, float(_known(resource, "instances", 0)))
    yield _hours(resource, str(_known(resource, "sku")), count)
    size = float(_known(resource, "os_disk.disk_size_gb", 30))
    yield _disk_of(str(_known(resource, "os_disk.storage_account_type", "Standard_LRS")), size, count)
    for disk in _blocks(resource, "data_disk"):
        yield _disk_of(str(_known(disk, "storage_account_type")), float(_known(disk, "disk_size_gb", 0)), count)


def _blocks(resource: Resource, name: str) -> list[Resource]:
    found = resource.blocks(name)
    if not isinstance(found, list):
        raise UnknownPriceError(f"{name} is known after apply")
    return found


def _hours(resource: Resource, size: str, count: float) -> Meter:
    windows = "windows" in resource.type and _known(resource, "license_type") not in _LICENSED
    spot = str(_known(resource, "priority", "Regular")) == "Spot"
    ending = "Series Windows" if windows else "Series"

    def fits(item: Item) -> bool:
        meter = item["meterName"]
        return (
            item["serviceName"] == "Virtual Machines"
            and item.get("armSkuName", "").lower() == size.lower()
            and item["productName"].endswith(ending)
            and meter.endswith(" Spot") == spot
            and not any(word in meter for word in ("Low Priority", "Expired", "Free"))
        )

    told = f"{size}{' Windows' if windows else ''}{' Spot' if spot else ''}"
    return Meter(told if count == 1 else f"{count:g} x {told}", fits, HOURS * count)


def _disk(resource: Resource) -> Iterator[Meter]:
    yield _disk_of(str(_known(resource, "storage_account_type")), float(_known(resource, "disk_size_gb", 0)), 1)


def _disk_of(kind: str, size: float, count: float) -> Meter:
    family, _, copies = kind.partition("_")
    if family not in _PRODUCT:
        raise UnknownPriceError(f"{kind} is paid by IOPS and throughput, which are not counted")
    letter, product = _PRODUCT[family]
    tier = next((t for held, t in _TIERS if size <= held and (letter != "S" or t >= 4)), 80)
    sku = f"{letter}{tier} {copies or 'LRS'}"
    return Meter(
        f"disk {sku}",
        lambda i: i["serviceName"] == "Storage" and i["meterName"] == f"{sku} Disk" and i["productName"] == f"{product} Managed Disks",
        count,
    )


def _snapshot(resource: Resource) -> Iterator[Meter]:
    size = float(_known(resource, "disk_size_gb", 0))
    yield Meter(
        f"snapshot of {size:g} GB at most",
        lambda i: i["meterName"] == "LRS Snapshots" and i["productName"] == "Standard HDD Managed Disks",
        size,
    )


def _address(resource: Resource) -> Iterator[Meter]:
    if str(_known(resource, "sku", "Standard")) == "Standard":
        version = str(_known(resource, "ip_version", "IPv4"))
        if version == "IPv4":
            name = (
                "Global IPv4 Static Public IP" if _known(resource, "sku_tier", "Regional") == "Global" else "Standard IPv4 Static Public IP"
            )
            yield Meter("public address", lambda i: i["meterName"] == name, HOURS)


def _prefix(resource: Resource) -> Iterator[Meter]:
    count = 2 ** (32 - int(_known(resource, "prefix_length", 28)))
    yield Meter(f"{count} public addresses", lambda i: i["productName"] == "Public IP Prefix", HOURS * count)


def _balancer(resource: Resource) -> Iterator[Meter]:
    rules = len(resource.world.referrers(resource, "azurerm_lb_rule", "loadbalancer_id").resources)
    if str(_known(resource, "sku", "Standard")) != "Standard" or not rules:
        return
    yield Meter("balancer, five rules", lambda i: i["meterName"] == "Standard Included LB Rules and Outbound Rules", HOURS)
    over = rules - _INCLUDED_RULES
    if over > 0:
        yield Meter(f"{over} more rules", lambda i: i["meterName"] == "Standard Overage LB Rules and Outbound Rules", HOURS * over)


def _gateway(_: Resource) -> Iterator[Meter]:
    yield Meter("NAT gateway", lambda i: i["serviceName"] == "NAT Gateway" and i["meterName"] == "Standard Gateway", HOURS)


def _zone(_: Resource) -> Iterator[Meter]:
    yield Meter("private zone", lambda i: i["meterName"] == "Private Zone", 1)


_METERS: dict[str, Callable[[Resource], Iterator[Meter]]] = {
    "azurerm_linux_virtual_machine": _machine,
    "azurerm_windows_virtual_machine": _machine,
    "azurerm_linux_virtual_machine_scale_set": _scale_set,
    "azurerm_managed_disk": _disk,
    "azurerm_snapshot": _snapshot,
    "azurerm_public_ip": _address,
    "azurerm_public_ip_prefix": _prefix,
    "azurerm_lb": _balancer,
    "azurerm_nat_gateway": _gateway,
    "azurerm_private_dns_zone": _zone,
}
BY_USE = ("azurerm_storage_account", "azurerm_log_analytics_workspace", "azurerm_key_vault", "azurerm_virtual_network_peering")
_FREE = frozenset(
    {
        *BY_USE,
        *str.split(
            """
            azurerm_application_security_group azurerm_availability_set azurerm_lb_backend_address_pool azurerm_lb_nat_rule
            azurerm_lb_probe azurerm_lb_rule azurerm_management_lock azurerm_monitor_action_group azurerm_monitor_activity_log_alert
            azurerm_monitor_autoscale_setting azurerm_monitor_diagnostic_setting azurerm_monitor_metric_alert
            azurerm_nat_gateway_public_ip_association azurerm_network_interface
            azurerm_network_interface_backend_address_pool_association azurerm_network_interface_nat_rule_association
            azurerm_network_interface_security_group_association azurerm_network_security_group azurerm_network_security_rule
            azurerm_private_dns_zone_virtual_network_link azurerm_proximity_placement_group azurerm_resource_group
            azurerm_role_assignment azurerm_route azurerm_route_table azurerm_storage_container azurerm_subnet
            azurerm_subnet_nat_gateway_association azurerm_subnet_network_security_group_association
            azurerm_subnet_route_table_association azurerm_user_assigned_identity azurerm_virtual_machine_data_disk_attachment
            azurerm_virtual_machine_extension azurerm_virtual_network random_password random_id random_string random_pet random_uuid
            random_integer tls_private_key local_file local_sensitive_file null_resource terraform_data time_sleep time_rotating
            time_static time_offset
            """
        ),
    }
)
