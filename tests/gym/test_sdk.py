"""Unmodified azure-mgmt clients drive the gym."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.network import NetworkManagementClient

WHERE = {"location": "westeurope"}


def build_network(network: NetworkManagementClient) -> str:
    """A network with a subnet and an interface; returns the interface's id."""
    space = {
        "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
        "subnets": [{"name": "a", "properties": {"addressPrefix": "10.0.1.0/24"}}],
    }
    vnet = network.virtual_networks.begin_create_or_update("rg", "v", {**WHERE, "properties": space}).result()
    configuration = {"name": "c", "properties": {"subnet": {"id": vnet.subnets[0].id}, "privateIPAllocationMethod": "Dynamic"}}
    nic = network.network_interfaces.begin_create_or_update(
        "rg", "n", {**WHERE, "properties": {"ipConfigurations": [configuration]}}
    ).result()
    assert nic.ip_configurations[0].private_ip_address == "10.0.1.4"
    return str(nic.id)


def machine(nic: str, **more: Any) -> dict[str, Any]:
    properties = {
        "hardwareProfile": {"vmSize": "Standard_B2s"},
        "storageProfile": {
            "imageReference": {"publisher": "Canonical", "offer": "u", "sku": "s", "version": "latest"},
            "osDisk": {"createOption": "FromImage", "osType": "Linux"},
        },
        "osProfile": {"computerName": "vm", "adminUsername": "u", "adminPassword": "P@ssw0rd1234!"},
        "networkProfile": {"networkInterfaces": [{"id": nic}]},
        **more,
    }
    return {**WHERE, "properties": properties}


def test_the_life_of_a_machine(group: str, compute: ComputeManagementClient, network: NetworkManagementClient) -> None:
    nic = build_network(network)
    vm = compute.virtual_machines.begin_create_or_update("rg", "vm", machine(nic)).result()
    assert vm.provisioning_state == "Succeeded"
    assert vm.os_profile.admin_password is None, "ARM never answers passwords"
    view = compute.virtual_machines.instance_view("rg", "vm")
    assert [s.display_status for s in view.statuses] == ["Provisioning succeeded", "VM running"]
    compute.virtual_machines.begin_deallocate("rg", "vm").result()
    expanded = compute.virtual_machines.get("rg", "vm", expand="instanceView")
    assert expanded.instance_view.statuses[-1].code == "PowerState/deallocated"
    compute.virtual_machines.begin_start("rg", "vm").result()
    compute.virtual_machines.begin_restart("rg", "vm").result()
    compute.virtual_machines.begin_power_off("rg", "vm").result()
    assert compute.virtual_machines.instance_view("rg", "vm").statuses[-1].code == "PowerState/stopped"
    assert [v.name for v in compute.virtual_machines.list("rg")] == ["vm"]
    assert [v.name for v in compute.virtual_machines.list_all()] == ["vm"]
    compute.virtual_machines.begin_delete("rg", "vm").result()
    with pytest.raises(ResourceNotFoundError):
        compute.virtual_machines.get("rg", "vm")
    assert compute.disks.get("rg", "vm_OsDisk_1").managed_by is None


def test_disks_attach_to_one_machine_and_never_shrink(
    group: str, compute: ComputeManagementClient, network: NetworkManagementClient
) -> None:
    nic = build_network(network)
    compute.virtual_machines.begin_create_or_update("rg", "vm", machine(nic)).result()
    disk = {**WHERE, "sku": {"name": "Premium_LRS"}, "properties": {"diskSizeGB": 64, "creationData": {"createOption": "Empty"}}}
    made = compute.disks.begin_create_or_update("rg", "d", disk).result()
    vm = compute.virtual_machines.get("rg", "vm")
    vm.storage_profile.data_disks = [{"lun": 0, "createOption": "Attach", "managedDisk": {"id": made.id}}]
    compute.virtual_machines.begin_create_or_update("rg", "vm", vm).result()
    assert compute.disks.get("rg", "d").managed_by == vm.id
    with pytest.raises(HttpResponseError, match="is attached to VM"):
        compute.disks.begin_delete("rg", "d").result()
    disk["properties"]["diskSizeGB"] = 32  # type: ignore[index]
    with pytest.raises(HttpResponseError, match="reduction is not supported"):
        compute.disks.begin_create_or_update("rg", "d", disk).result()


def test_arm_refuses_in_arms_words(group: str, compute: ComputeManagementClient, network: NetworkManagementClient) -> None:
    nic = build_network(network)
    for more, words in (
        ({"hardwareProfile": {"vmSize": "Standard_Nope"}}, "InvalidParameter"),
        ({"networkProfile": {"networkInterfaces": [{"id": nic + "x"}]}}, "InvalidResourceReference|NotFound"),
    ):
        with pytest.raises(HttpResponseError, match=words):
            compute.virtual_machines.begin_create_or_update("rg", "vm", machine(nic, **more)).result()
    compute.virtual_machines.begin_create_or_update("rg", "vm", machine(nic)).result()
    vm = compute.virtual_machines.get("rg", "vm")
    vm.priority = "Spot"
    with pytest.raises(HttpResponseError, match="PropertyChangeNotAllowed"):
        compute.virtual_machines.begin_create_or_update("rg", "vm", vm).result()
    with pytest.raises(HttpResponseError, match="NicInUse"):
        network.network_interfaces.begin_delete("rg", "n").result()
    with pytest.raises(HttpResponseError, match="InUseSubnetCannotBeDeleted"):
        network.subnets.begin_delete("rg", "v", "a").result()


def test_usages_count_cores_and_quota_refuses(
    gym: Any, group: str, compute: ComputeManagementClient, network: NetworkManagementClient
) -> None:
    nic = build_network(network)
    gym.settings(quota={"cores": 1})
    with pytest.raises(HttpResponseError, match="exceeding approved Total Regional Cores quota"):
        compute.virtual_machines.begin_create_or_update("rg", "vm", machine(nic)).result()
    gym.settings(quota={"cores": 4})
    compute.virtual_machines.begin_create_or_update("rg", "vm", machine(nic)).result()
    usage = {u.name.value: (u.current_value, u.limit) for u in compute.usage.list("westeurope")}
    assert usage["cores"] == (2, 4)
    assert any(s.name == "Standard_B2s" and s.number_of_cores == 2 for s in compute.virtual_machine_sizes.list("westeurope"))


def test_load_balancer_children_live_in_their_parent(group: str, network: NetworkManagementClient) -> None:
    address = network.public_ip_addresses.begin_create_or_update(
        "rg", "p", {**WHERE, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
    ).result()
    frontend = {"name": "f", "properties": {"publicIPAddress": {"id": address.id}}}
    network.load_balancers.begin_create_or_update("rg", "lb", {**WHERE, "properties": {"frontendIPConfigurations": [frontend]}}).result()
    network.load_balancer_backend_address_pools.begin_create_or_update("rg", "lb", "pool", {}).result()
    whole = network.load_balancers.get("rg", "lb")
    assert [p.name for p in whole.backend_address_pools] == ["pool"]
    assert network.public_ip_addresses.get("rg", "p").ip_configuration.id == whole.frontend_ip_configurations[0].id
    with pytest.raises(HttpResponseError, match="PublicIPAddressCannotBeDeleted"):
        network.public_ip_addresses.begin_delete("rg", "p").result()
