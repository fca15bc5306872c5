"""Resources that nobody keeps in Terraform, as people make them in the portal or with az: bodies by ARM type."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]
RULE = {
    "properties": {
        "priority": 3100,
        "direction": "Inbound",
        "access": "Allow",
        "protocol": "Tcp",
        "sourceAddressPrefix": "10.0.0.0/8",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": "9100",
    }
}


def strangers(group: str, location: str) -> dict[str, Body]:
    """Body by id, in a resource group (its id)."""
    base = f"{group}/providers"
    return {
        f"{base}/Microsoft.Network/publicIPAddresses/pip-stranger": {
            "location": location,
            "sku": {"name": "Standard"},
            "properties": {"publicIPAllocationMethod": "Static"},
            "tags": {"made": "by hand"},
        },
        f"{base}/Microsoft.Compute/disks/disk-stranger": {
            "location": location,
            "sku": {"name": "Premium_LRS"},
            "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 64},
        },
        f"{base}/Microsoft.Network/networkSecurityGroups/nsg-stranger": {
            "location": location,
            "properties": {"securityRules": [{"name": "metrics", **RULE}]},
        },
        f"{base}/Microsoft.Network/routeTables/rt-stranger": {
            "location": location,
            "properties": {"routes": [{"name": "out", "properties": {"addressPrefix": "0.0.0.0/0", "nextHopType": "Internet"}}]},
        },
        f"{base}/Microsoft.Network/virtualNetworks/vnet-stranger": {
            "location": location,
            "properties": {"addressSpace": {"addressPrefixes": ["10.77.0.0/16"]}},
        },
        f"{base}/Microsoft.Storage/storageAccounts/ststranger001": {
            "location": location,
            "sku": {"name": "Standard_LRS"},
            "kind": "StorageV2",
            "properties": {"minimumTlsVersion": "TLS1_2", "allowBlobPublicAccess": False, "supportsHttpsTrafficOnly": True},
        },
        f"{base}/Microsoft.ManagedIdentity/userAssignedIdentities/id-stranger": {"location": location},
        f"{base}/Microsoft.Compute/availabilitySets/avail-stranger": {
            "location": location,
            "sku": {"name": "Aligned"},
            "properties": {"platformFaultDomainCount": 2, "platformUpdateDomainCount": 5},
        },
        f"{base}/Microsoft.OperationalInsights/workspaces/log-stranger": {
            "location": location,
            "properties": {"sku": {"name": "PerGB2018"}, "retentionInDays": 30},
        },
        f"{base}/Microsoft.Network/privateDnsZones/stranger.internal": {"location": "global"},
    }
