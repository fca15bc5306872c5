"""Microsoft.Network: networks, subnets, interfaces, addresses, load balancers and routes.

Source: azure-rest-api-specs, Microsoft.Network 2025-01-01.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator
from typing import Any

from iac_agent.gym import faults
from iac_agent.gym.cloud import Cloud, ResourceType, Write, stable_guid
from iac_agent.gym.services import Call, Operation, Outcome
from iac_agent.gym.services import network_combinations as combinations
from iac_agent.gym.store import Body, Resource

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_FIRST_HOST = 4
_UNLIMITED = 100_000


def _networks(prefixes: list[str], path: str) -> list[Network]:
    try:
        return [ipaddress.ip_network(p) for p in prefixes]
    except ValueError as problem:
        raise faults.bad_request("InvalidCIDRNotation", f"The address prefix in {path} is not valid: {problem}.") from problem


def _prefixes(subnet: Body) -> list[str]:
    properties = subnet.get("properties", {})
    return list(properties.get("addressPrefixes") or ([properties["addressPrefix"]] if properties.get("addressPrefix") else []))


def _fill_vnet(write: Write) -> None:
    properties = write.properties
    space = _networks(properties.get("addressSpace", {}).get("addressPrefixes") or [], write.id.text)
    if not space and not properties.get("addressSpace", {}).get("ipamPoolPrefixAllocations"):
        raise faults.bad_request("InvalidRequestFormat", f"Virtual network {write.id.text} has no address prefix.")
    name = write.id.name
    taken: list[tuple[str, Network]] = []
    for subnet in properties.get("subnets") or []:
        for prefix in _networks(_prefixes(subnet), subnet["id"]):
            if not any(prefix.version == s.version and prefix.subnet_of(s) for s in space):  # type: ignore[arg-type]
                raise faults.bad_request(
                    "NetcfgSubnetRangeOutsideVnet",
                    f"Subnet '{subnet['name']}' is not valid because its IP address range is outside the IP address range of "
                    f"virtual network '{name}'.",
                )
            for other, range_taken in taken:
                if prefix.version == range_taken.version and prefix.overlaps(range_taken):
                    raise faults.bad_request(
                        "NetcfgSubnetRangesOverlap",
                        f"Subnet '{subnet['name']}' is not valid because its IP address range overlaps with that of an existing "
                        f"subnet in virtual network '{name}' ('{other}').",
                    )
            taken.append((subnet["name"], prefix))
    kept = {str(s["name"]).lower() for s in properties.get("subnets") or []}
    gone = {s["name"] for s in write.old.get("subnets") or [] if str(s["name"]).lower() not in kept}
    for subnet_name in gone:
        _free_subnet(write.cloud, f"{write.id.text}/subnets/{subnet_name}")
    properties["resourceGuid"] = stable_guid(write.id.text)
    properties.setdefault("enableDdosProtection", False)


def _fill_subnet(write: Write) -> None:
    for key in ("networkSecurityGroup", "routeTable", "natGateway"):
        target = (write.properties.get(key) or {}).get("id")
        if target:
            write.require(target)
    combinations.subnet(write)
    write.properties.setdefault("privateEndpointNetworkPolicies", "Disabled")
    write.properties.setdefault("privateLinkServiceNetworkPolicies", "Enabled")
    before = _prefixes({"properties": write.old})
    if before and before != _prefixes(write.body):
        holder = next(iter(_addresses_in(write.cloud, write.id.text)), None)
        if holder:
            raise faults.bad_request(
                "InUsePrefixCannotBeDeleted",
                f"IpPrefix {before[0]} on Subnet {write.id.name} has active allocations and cannot be deleted.",
            )


def _free_subnet(cloud: Cloud, subnet_id: str) -> None:
    holders = cloud.store.referrers(subnet_id)
    if holders:
        name = subnet_id.rsplit("/", 1)[1]
        raise faults.bad_request(
            "InUseSubnetCannotBeDeleted",
            f"Subnet {name} is in use by {_nearest_reference(holders[0], subnet_id)} and cannot be deleted. In order to delete the "
            "subnet, delete all the resources within the subnet. See aka.ms/deletesubnet.",
        )


def _nearest_reference(holder: Resource, target: str) -> str:
    for configuration in holder.properties.get("ipConfigurations") or []:
        if str((configuration.get("properties", {}).get("subnet") or {}).get("id", "")).lower() == target.lower():
            return str(configuration["id"])
    return holder.id


def _removing_subnet(cloud: Cloud, subnet: Resource) -> None:
    _free_subnet(cloud, subnet.id)


def _removing_vnet(cloud: Cloud, vnet: Resource) -> None:
    for subnet in vnet.properties.get("subnets") or []:
        if cloud.store.referrers(subnet["id"]):
            raise faults.bad_request(
                "InUseSubnetCannotBeDeleted",
                f"Subnet {subnet['name']} is in use by {_nearest_reference(cloud.store.referrers(subnet['id'])[0], subnet['id'])} and "
                "cannot be deleted. In order to delete the subnet, delete all the resources within the subnet. See aka.ms/deletesubnet.",
            )


def _refuse_in_use(code: str, what: str) -> Any:
    def removing(cloud: Cloud, resource: Resource) -> None:
        holders = cloud.store.referrers(resource.id)
        if holders:
            raise faults.bad_request(code, f"{what} {resource.id} cannot be deleted because it is in use by: {holders[0].id}.")

    return removing


# --- network interfaces ------------------------------------------------------------------------------------------------


def _addresses_in(cloud: Cloud, subnet_id: str) -> Iterator[str]:
    """Private addresses in use in a subnet."""
    for holder in cloud.store.referrers(subnet_id):
        for key in ("ipConfigurations", "frontendIPConfigurations"):
            for configuration in holder.properties.get(key) or []:
                properties = configuration.get("properties", {})
                inside = str((properties.get("subnet") or {}).get("id", "")).lower() == subnet_id.lower()
                if inside and properties.get("privateIPAddress"):
                    yield properties["privateIPAddress"]


def _properties_by_name(elements: list[Body] | None) -> dict[str, Body]:
    return {e["name"]: e.get("properties", {}) for e in elements or []}


def _assign_private(write: Write, configuration: Body, old: dict[str, Body], given: set[str]) -> None:
    """Give a configuration its private address: `old` are the configurations before this write, `given` the addresses it gave already."""
    properties = configuration.setdefault("properties", {})
    subnet_id = (properties.get("subnet") or {}).get("id")
    if not subnet_id:
        return
    subnet = write.require(subnet_id)
    if not isinstance(subnet, dict) or not _prefixes(subnet):
        raise faults.invalid_reference(subnet_id, write.id.text)
    ranges = _networks(_prefixes(subnet), subnet_id)
    mine = old.get(configuration["name"], {}).get("privateIPAddress")
    own = {properties_before.get("privateIPAddress") for properties_before in old.values()}
    taken = {a for a in _addresses_in(write.cloud, subnet_id) if a not in own} | given
    asked = properties.get("privateIPAddress")
    if properties.get("privateIPAllocationMethod") == "Static" and asked:
        if not any(ipaddress.ip_address(asked) in r for r in ranges):
            raise faults.bad_request(
                "PrivateIPAddressNotInSubnet",
                f"Private static IP address {asked} does not belong to the range of subnet prefix {', '.join(map(str, ranges))}.",
            )
        combinations.reserved(asked, ranges)
        if asked in taken:
            raise faults.bad_request(
                "PrivateIPAddressIsAllocated",
                f"IP configuration {configuration['id']} is using the private IP address {asked} which is "
                "already allocated to another resource.",
            )
        given.add(asked)
        return
    if mine and mine not in taken and any(ipaddress.ip_address(mine) in r for r in ranges):
        properties["privateIPAddress"] = mine
    else:
        properties["privateIPAddress"] = _free_address(ranges, taken, subnet_id)
    given.add(properties["privateIPAddress"])


def _free_address(ranges: list[Network], taken: set[str], subnet_id: str) -> str:
    for network in ranges:
        for offset in range(_FIRST_HOST, min(network.num_addresses - 1, _UNLIMITED)):
            candidate = str(network[offset])
            if candidate not in taken:
                return candidate
    name = subnet_id.rsplit("/", 1)[1]
    raise faults.bad_request(
        "SubnetIsFull",
        f"Subnet {name} with address prefix {ranges[0]} does not have enough capacity for 1 IP addresses.",
    )


def _fill_nic(write: Write) -> None:
    properties = write.properties
    if not properties.get("ipConfigurations"):
        raise faults.bad_request("NetworkInterfaceMustHaveIpConfiguration", f"{write.id.text} must have an IP configuration.")
    if (properties.get("networkSecurityGroup") or {}).get("id"):
        write.require(properties["networkSecurityGroup"]["id"])
    combinations.interface(write)
    old = _properties_by_name(write.old.get("ipConfigurations"))
    given: set[str] = set()
    for position, configuration in enumerate(properties["ipConfigurations"]):
        configuration["id"] = f"{write.id.text}/ipConfigurations/{configuration['name']}"
        inner = configuration.setdefault("properties", {})
        for target in (inner.get("publicIPAddress"), *(inner.get("loadBalancerBackendAddressPools") or ())):
            if target and target.get("id"):
                write.require(target["id"])
        inner.setdefault("primary", position == 0)
        inner["provisioningState"] = "Succeeded"
        _assign_private(write, configuration, old, given)
    if "virtualMachine" in write.old:
        properties["virtualMachine"] = write.old["virtualMachine"]
    else:
        properties.pop("virtualMachine", None)
    digest = hashlib.sha256(write.id.text.lower().encode()).hexdigest().upper()
    properties["macAddress"] = "00-0D-3A-" + "-".join(digest[i : i + 2] for i in (0, 2, 4))
    properties["resourceGuid"] = stable_guid(write.id.text)


def _removing_nic(_: Cloud, nic: Resource) -> None:
    machine = (nic.properties.get("virtualMachine") or {}).get("id")
    if machine:
        raise faults.bad_request(
            "NicInUse",
            f"Network Interface {nic.id} is used by existing resource {machine}. In order to delete the network interface, it must "
            "be dissociated from the resource. To learn more, see aka.ms/deletenic.",
        )


# --- public addresses --------------------------------------------------------------------------------------------------


def _fill_public_ip(write: Write) -> None:
    properties, sku = write.properties, write.body.setdefault("sku", {"name": "Standard", "tier": "Regional"})
    properties.pop("ipConfiguration", None)
    if sku.get("name") == "Basic" and write.before is None:
        raise faults.bad_request(
            "IPv4BasicSkuPublicIpCountLimitReached",
            f"Cannot create more than 0 IPv4 Basic SKU public IP addresses for this subscription in this region. "
            f"Resource: {write.id.text}.",
        )
    if sku.get("name") == "Standard" and properties.get("publicIPAllocationMethod") != "Static":
        raise faults.bad_request(
            "PublicIPAddressSkuAndAllocationMethodMismatch",
            f"Standard sku publicIp {write.id.text} must have AllocationMethod set to Static.",
        )
    label = (properties.get("dnsSettings") or {}).get("domainNameLabel")
    if label:
        fqdn = f"{label}.{write.body['location']}.cloudapp.azure.com"
        for other in write.cloud.store.of_type("Microsoft.Network/publicIPAddresses"):
            same = (other.properties.get("dnsSettings") or {}).get("fqdn") == fqdn
            if same and other.id.lower() != write.id.text.lower():
                raise faults.bad_request("DnsRecordInUse", f"DNS record {fqdn} is already used by another public IP.")
        properties["dnsSettings"]["fqdn"] = fqdn
    digest = hashlib.sha256(write.id.text.lower().encode()).digest()
    properties.setdefault("idleTimeoutInMinutes", 4)
    six = properties.setdefault("publicIPAddressVersion", "IPv4") == "IPv6"
    fresh = f"2603:1030:{digest[0]:x}:{digest[1]:x}::{digest[2]:x}" if six else f"20.{digest[0]}.{digest[1]}.{max(digest[2], 4)}"
    properties["ipAddress"] = write.old.get("ipAddress") or fresh
    properties["resourceGuid"] = stable_guid(write.id.text)


def _show_public_ip(cloud: Cloud, address: Resource) -> Body:
    """The stored body plus the configuration that uses the address."""
    for holder in cloud.store.referrers(address.id):
        for key in ("ipConfigurations", "frontendIPConfigurations"):
            for configuration in holder.properties.get(key) or []:
                used = str((configuration.get("properties", {}).get("publicIPAddress") or {}).get("id", ""))
                if used.lower() == address.id.lower():
                    properties = {**address.properties, "ipConfiguration": {"id": configuration["id"]}}
                    return {**address.body, "properties": properties}
    return address.body


def _removing_public_ip(cloud: Cloud, address: Resource) -> None:
    shown = _show_public_ip(cloud, address)["properties"].get("ipConfiguration")
    holders = [shown["id"]] if shown else [r.id for r in cloud.store.referrers(address.id)]
    if holders:
        raise faults.bad_request(
            "PublicIPAddressCannotBeDeleted",
            f"Public IP address {address.id} can not be deleted since it is still allocated to resource {holders[0]}. In order to "
            "delete the public IP, disassociate/detach the Public IP address from the resource.  To learn how to do this, see "
            "aka.ms/deletepublicip.",
        )


def _fill_prefix(write: Write) -> None:
    digest = hashlib.sha256(write.id.text.lower().encode()).digest()
    length = write.properties.get("prefixLength", 28)
    if write.properties.get("publicIPAddressVersion") == "IPv6":
        first = f"2603:1020:{digest[0]:x}:{digest[1]:x}::"
    else:
        first = f"20.{digest[0]}.{digest[1]}.{digest[2]}"
    network = ipaddress.ip_network(f"{first}/{length}", strict=False)
    write.properties["ipPrefix"] = write.old.get("ipPrefix") or str(network)


# --- security groups, routes, load balancers ---------------------------------------------------------------------------


def _fill_nsg(write: Write) -> None:
    seen: dict[tuple[str, int], str] = {}
    for rule in write.properties.get("securityRules") or []:
        properties = rule["properties"]
        key = (str(properties.get("direction")), int(properties.get("priority", 0)))
        if key in seen:
            raise faults.bad_request(
                "SecurityRuleConflict",
                f"Security rule {rule['name']} conflicts with rule {seen[key]}. Rules cannot have the same Priority and Direction.",
            )
        seen[key] = rule["name"]
    write.properties["resourceGuid"] = stable_guid(write.id.text)


def _fill_security_rule(write: Write) -> None:
    priority = write.properties.get("priority")
    if not isinstance(priority, int) or not 100 <= priority <= 4096:
        raise faults.bad_request(
            "SecurityRuleInvalidPriority",
            f"Security rule has invalid Priority. Value provided: {priority}. Allowed range 100-4096.",
        )
    combinations.security_rule(write)


def _fill_route_table(write: Write) -> None:
    combinations.route_table(write)
    write.properties["resourceGuid"] = stable_guid(write.id.text)


def _fill_lb(write: Write) -> None:
    properties = write.properties
    write.body.setdefault("sku", {"name": "Standard", "tier": "Regional"})
    old = _properties_by_name(write.old.get("frontendIPConfigurations"))
    given: set[str] = set()
    for frontend in properties.get("frontendIPConfigurations") or []:
        inner = frontend["properties"]
        if (inner.get("publicIPAddress") or {}).get("id"):
            write.require(inner["publicIPAddress"]["id"])
        _assign_private(write, frontend, old, given)
    for key in (
        "probes",
        "loadBalancingRules",
        "backendAddressPools",
        "inboundNatRules",
        "outboundRules",
        "inboundNatPools",
    ):
        properties.setdefault(key, [])
    names = {f["id"].lower() for f in properties.get("frontendIPConfigurations") or []}
    for rule in properties["loadBalancingRules"] + properties["inboundNatRules"]:
        target = str((rule["properties"].get("frontendIPConfiguration") or {}).get("id", ""))
        if target and target.lower() not in names:
            raise faults.invalid_reference(target, rule["id"])
    _check_pools(write)
    combinations.balancer(write)


def _check_pools(write: Write) -> None:
    pools = {p["id"].lower() for p in write.properties["backendAddressPools"]}
    for old in write.old.get("backendAddressPools") or []:
        holders = write.cloud.store.referrers(old["id"])
        if old["id"].lower() not in pools and holders:
            raise faults.bad_request(
                "InUseBackendAddressPoolCannotBeDeleted",
                f"Backend address pool {old['id']} is in use by {holders[0].id} and cannot be deleted.",
            )
    for rule in write.properties["loadBalancingRules"]:
        pool = str((rule["properties"].get("backendAddressPool") or {}).get("id", ""))
        if pool and pool.lower() not in pools:
            raise faults.invalid_reference(pool, rule["id"])


def _fill_nat_gateway(write: Write) -> None:
    combinations.nat_gateway(write)
    for reference in write.properties.get("publicIpAddresses") or []:
        write.require(reference["id"])
    write.properties["resourceGuid"] = stable_guid(write.id.text)


def _fill_peering(write: Write) -> None:
    remote = (write.properties.get("remoteVirtualNetwork") or {}).get("id", "")
    other = write.require(remote)
    assert isinstance(other, Resource)
    combinations.peering(write, other)
    back = other.properties.get("virtualNetworkPeerings") or []
    mutual = any(str((p["properties"].get("remoteVirtualNetwork") or {}).get("id", "")).lower() == write.id.parent.lower() for p in back)
    write.properties["peeringState"] = "Connected" if mutual else "Initiated"
    if mutual:
        _set_peer_state(write.cloud, other, write.id.parent, "Connected")
    write.properties["remoteAddressSpace"] = other.properties.get("addressSpace", {})


def _set_peer_state(cloud: Cloud, holder: Resource, remote: str, state: str) -> None:
    """The other side of a peering follows: Connected when both sides exist, Disconnected when one goes."""
    for peering in holder.properties.get("virtualNetworkPeerings") or []:
        if str((peering["properties"].get("remoteVirtualNetwork") or {}).get("id", "")).lower() == remote.lower():
            peering["properties"]["peeringState"] = state
    cloud.store.save(holder)


def _removing_peering(cloud: Cloud, peering: Resource) -> None:
    other = cloud.store.get(str((peering.properties.get("remoteVirtualNetwork") or {}).get("id", "")))
    if other:
        _set_peer_state(cloud, other, peering.id.rsplit("/", 2)[0], "Disconnected")


# --- usages ---------------------------------------------------------------------------------------------------------------


def _usages(call: Call, parts: dict[str, str]) -> Outcome:
    def usage(kind: str, name: str, limit: int) -> Body:
        used = sum(r.body.get("location") == parts["location"] for r in call.cloud.store.of_type(f"Microsoft.Network/{kind}"))
        label = {"value": name, "localizedValue": name}
        return {"id": f"{call.path}/{name}", "name": label, "currentValue": used, "limit": limit, "unit": "Count"}

    rows = [("virtualNetworks", "VirtualNetworks", 1000), ("publicIPAddresses", "PublicIPAddresses", 1000)]
    rows += [
        ("networkInterfaces", "NetworkInterfaces", 65536),
        ("networkSecurityGroups", "NetworkSecurityGroups", 5000),
    ]
    return 200, {"value": [usage(*row) for row in rows]}


_N = "Microsoft.Network"
TYPES = [
    ResourceType(f"{_N}/virtualNetworks", slow=True, fill=_fill_vnet, removing=_removing_vnet),
    ResourceType(f"{_N}/virtualNetworks/subnets", held_in="subnets", slow=True, fill=_fill_subnet, removing=_removing_subnet),
    ResourceType(
        f"{_N}/virtualNetworks/virtualNetworkPeerings",
        held_in="virtualNetworkPeerings",
        slow=True,
        fill=_fill_peering,
        removing=_removing_peering,
    ),
    ResourceType(f"{_N}/networkInterfaces", slow=True, fill=_fill_nic, removing=_removing_nic),
    ResourceType(f"{_N}/publicIPAddresses", slow=True, fill=_fill_public_ip, removing=_removing_public_ip, show=_show_public_ip),
    ResourceType(
        f"{_N}/publicIPPrefixes",
        slow=True,
        fill=_fill_prefix,
        removing=_refuse_in_use("InUsePublicIpPrefixCannotBeDeleted", "Public IP prefix"),
    ),
    ResourceType(
        f"{_N}/networkSecurityGroups",
        slow=True,
        fill=_fill_nsg,
        removing=_refuse_in_use("InUseNetworkSecurityGroupCannotBeDeleted", "Network security group"),
    ),
    ResourceType(f"{_N}/networkSecurityGroups/securityRules", held_in="securityRules", slow=True, fill=_fill_security_rule),
    ResourceType(
        f"{_N}/applicationSecurityGroups",
        slow=True,
        removing=_refuse_in_use("InUseApplicationSecurityGroupCannotBeDeleted", "Application security group"),
    ),
    ResourceType(
        f"{_N}/routeTables",
        slow=True,
        fill=_fill_route_table,
        removing=_refuse_in_use("InUseRouteTableCannotBeDeleted", "Route table"),
    ),
    ResourceType(f"{_N}/routeTables/routes", held_in="routes", slow=True, fill=combinations.route),
    ResourceType(
        f"{_N}/natGateways",
        slow=True,
        fill=_fill_nat_gateway,
        removing=_refuse_in_use("InUseNatGatewayCannotBeDeleted", "NAT gateway"),
    ),
    ResourceType(
        f"{_N}/loadBalancers",
        slow=True,
        fill=_fill_lb,
        removing=_refuse_in_use("InUseLoadBalancerCannotBeDeleted", "Load balancer"),
    ),
    *(
        ResourceType(f"{_N}/loadBalancers/{segment}", held_in=segment, slow=True)
        for segment in (
            "frontendIPConfigurations",
            "backendAddressPools",
            "probes",
            "loadBalancingRules",
            "inboundNatRules",
            "outboundRules",
        )
    ),
]
ROUTES = [
    Operation("GET", "/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}/usages", _usages),
]
