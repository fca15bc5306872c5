"""Linux virtual machine scale sets.

Sources: recordings in golden `vmss`, `platform`; internal/services/compute/linux_virtual_machine_scale_set_resource.go of
hashicorp/terraform-provider-azurerm; ARM api-version 2025-04-01.
"""

from __future__ import annotations

from iac_agent.azure.lenses.codecs import EDGE_ZONE, ID, IDS, JSON, NOT, ONE, PLAIN_ID, SSH_USER
from iac_agent.azure.lenses.machine_quirks import check_machine, check_new, flatten_profile, settle_profile
from iac_agent.azure.lenses.shared import (
    IDENTITY,
    OS_DISK,
    PURCHASE_PLAN,
    SECRET_SETTINGS,
    always_identity,
    boot_diagnostics,
    drop_empty_identity,
    termination_notification,
    vault_secrets,
)
from iac_agent.azure.lenses.table import (
    GROUP,
    LOCATION_ROW,
    NAME,
    TAGS,
    Attr,
    Body,
    Hooks,
    Lens,
    Nested,
    Problem,
    Values,
)

INF = float("inf")


def _expand(body: Body, values: Values, major: int) -> None:
    properties = body["properties"]
    properties["orchestrationMode"] = "Uniform"
    body["sku"]["tier"] = "Standard"
    profile = properties["virtualMachineProfile"]
    settle_profile(profile, values, "Linux")
    profile["osProfile"]["computerNamePrefix"] = values.get("computer_name_prefix") or values["name"]
    profile["osProfile"].setdefault("secrets", [])
    properties["additionalCapabilities"] = properties.get("additionalCapabilities") or {}
    always_identity(body)


def _flatten(values: Values, live: Body, known: Values, major: int) -> None:
    profile = (live.get("properties") or {}).get("virtualMachineProfile") or {}
    flatten_profile(values, profile)
    if not (live.get("properties") or {}).get("additionalCapabilities"):
        values["additional_capabilities"] = []
    if not ((live.get("properties") or {}).get("automaticRepairsPolicy") or {}).get("enabled"):
        values["automatic_instance_repair"] = []
    drop_empty_identity(values)


def _replace(prior: Values, planned: Values, major: int) -> list[tuple[str | int, ...]]:
    """Zones can be added in place, not taken away."""
    after = planned.get("zones")
    lost = set(prior.get("zones") or []) - set(after if isinstance(after, list) else prior.get("zones") or [])
    return [("zones",)] if lost else []


def _check(config: Values, major: int) -> list[Problem]:
    return check_machine(config)


LINUX_VIRTUAL_MACHINE_SCALE_SET = Lens(
    "azurerm_linux_virtual_machine_scale_set",
    "Microsoft.Compute/virtualMachineScaleSets",
    {4: "2025-04-01", 5: "2025-04-01"},
    "{group}/providers/Microsoft.Compute/virtualMachineScaleSets/{name}",
    (
        NAME,
        GROUP,
        LOCATION_ROW,
        Attr("edge_zone", "extendedLocation", EDGE_ZONE, new=True),
        TAGS,
        Attr("sku", "sku.name", send="always"),
        Attr("instances", "sku.capacity", default=0, between=(0, INF), send="always"),
        Attr("admin_username", "properties.virtualMachineProfile.osProfile.adminUsername", new=True, send="always"),
        Attr("admin_password", "properties.virtualMachineProfile.osProfile.adminPassword", new=True, read="never"),
        Attr("computer_name_prefix", "properties.virtualMachineProfile.osProfile.computerNamePrefix", new=True, send="always"),
        Attr("custom_data", "properties.virtualMachineProfile.osProfile.customData", read="never"),
        Attr(
            "disable_password_authentication",
            "properties.virtualMachineProfile.osProfile.linuxConfiguration.disablePasswordAuthentication",
            default=True,
            send="always",
        ),
        Attr(
            "provision_vm_agent",
            "properties.virtualMachineProfile.osProfile.linuxConfiguration.provisionVMAgent",
            default=True,
            new=True,
            send="always",
        ),
        Attr(
            "extension_operations_enabled",
            "properties.virtualMachineProfile.osProfile.allowExtensionOperations",
            default=True,
            new=True,
            send="always",
        ),
        Attr(
            "capacity_reservation_group_id",
            "properties.virtualMachineProfile.capacityReservation.capacityReservationGroup",
            ID,
            new=True,
        ),
        Attr(
            "do_not_run_extensions_on_overprovisioned_machines",
            "properties.doNotRunExtensionsOnOverprovisionedVMs",
            default=False,
            send="always",
        ),
        Attr("overprovision", "properties.overprovision", default=True, send="always"),
        Attr("single_placement_group", "properties.singlePlacementGroup", default=True, send="always"),
        Attr(
            "upgrade_mode",
            "properties.upgradePolicy.mode",
            default="Manual",
            new=True,
            choices=("Automatic", "Manual", "Rolling"),
            send="always",
        ),
        Attr("zones", "zones"),
        Attr("zone_balance", "properties.zoneBalance", default=False, new=True),
        Attr("platform_fault_domain_count", "properties.platformFaultDomainCount", new=True),
        Attr("proximity_placement_group_id", "properties.proximityPlacementGroup", ID, new=True),
        Attr("host_group_id", "properties.hostGroup", ID, new=True, read="present"),
        Attr("health_probe_id", "properties.virtualMachineProfile.networkProfile.healthProbe", ID),
        Attr(
            "priority",
            "properties.virtualMachineProfile.priority",
            default="Regular",
            new=True,
            choices=("Regular", "Spot"),
            send="always",
        ),
        Attr("eviction_policy", "properties.virtualMachineProfile.evictionPolicy", new=True, choices=("Deallocate", "Delete")),
        Attr("max_bid_price", "properties.virtualMachineProfile.billingProfile.maxPrice", default=-1, unset=-1),
        Attr(
            "extensions_time_budget",
            "properties.virtualMachineProfile.extensionProfile.extensionsTimeBudget",
            default="PT1H30M",
            send="always",
        ),
        Attr("encryption_at_host_enabled", "properties.virtualMachineProfile.securityProfile.encryptionAtHost"),
        Attr("secure_boot_enabled", "properties.virtualMachineProfile.securityProfile.uefiSettings.secureBootEnabled", new=True),
        Attr("vtpm_enabled", "properties.virtualMachineProfile.securityProfile.uefiSettings.vTpmEnabled", new=True),
        Attr("user_data", "properties.virtualMachineProfile.userData"),
        Attr(
            "resilient_vm_creation_enabled",
            "properties.resiliencyPolicy.resilientVMCreationPolicy.enabled",
            default=False,
            send="always",
        ),
        Attr(
            "resilient_vm_deletion_enabled",
            "properties.resiliencyPolicy.resilientVMDeletionPolicy.enabled",
            default=False,
            send="always",
        ),
        Attr("unique_id", "properties.uniqueId", send="never"),
        Nested(
            "additional_capabilities",
            "properties.additionalCapabilities",
            (Attr("ultra_ssd_enabled", "ultraSSDEnabled", default=False, new=True, send="always"),),
            single=True,
            send="always",
        ),
        Nested(
            "automatic_instance_repair",
            "properties.automaticRepairsPolicy",
            (
                Attr("enabled", "enabled", send="always"),
                Attr("grace_period", "gracePeriod", send="always"),
                Attr("action", "repairAction", choices=("Reimage", "Replace", "Restart")),
            ),
            single=True,
            computed=True,
        ),
        Nested(
            "automatic_os_upgrade_policy",
            "properties.upgradePolicy.automaticOSUpgradePolicy",
            (
                Attr("disable_automatic_rollback", "disableAutomaticRollback", send="always", major=4),
                Attr("enable_automatic_os_upgrade", "enableAutomaticOSUpgrade", send="always", major=4),
                Attr("automatic_rollback_enabled", "disableAutomaticRollback", NOT, send="always", major=5),
                Attr("automatic_os_upgrade_enabled", "enableAutomaticOSUpgrade", send="always", major=5),
            ),
            single=True,
        ),
        Nested(
            "rolling_upgrade_policy",
            "properties.upgradePolicy.rollingUpgradePolicy",
            (
                Attr("max_batch_instance_percent", "maxBatchInstancePercent", send="always"),
                Attr("max_unhealthy_instance_percent", "maxUnhealthyInstancePercent", send="always"),
                Attr("max_unhealthy_upgraded_instance_percent", "maxUnhealthyUpgradedInstancePercent", send="always"),
                Attr("pause_time_between_batches", "pauseTimeBetweenBatches", send="always"),
                Attr("prioritize_unhealthy_instances_enabled", "prioritizeUnhealthyInstances", send="always"),
                Attr("maximum_surge_instances_enabled", "maxSurge", send="always"),
                Attr("cross_zone_upgrades_enabled", "enableCrossZoneUpgrade"),
            ),
            single=True,
            new=True,
        ),
        Nested(
            "scale_in",
            "properties.scaleInPolicy",
            (
                Attr("rule", "rules", ONE, default="Default", choices=("Default", "NewestVM", "OldestVM"), send="always"),
                Attr("force_deletion_enabled", "forceDeletion", default=False, send="always"),
            ),
            single=True,
        ),
        Nested(
            "spot_restore",
            "properties.spotRestorePolicy",
            (
                Attr("enabled", "enabled", default=False, new=True, send="always"),
                Attr("timeout", "restoreTimeout", default="PT1H", new=True, send="always"),
            ),
            single=True,
            computed=True,
            read="present",
        ),
        termination_notification("properties.virtualMachineProfile"),
        Nested(
            "data_disk",
            "properties.virtualMachineProfile.storageProfile.dataDisks",
            (
                Attr("name", "name"),
                Attr("caching", "caching", choices=("None", "ReadOnly", "ReadWrite"), send="always"),
                Attr("create_option", "createOption", default="Empty", choices=("Empty", "FromImage"), send="always"),
                Attr("disk_encryption_set_id", "managedDisk.diskEncryptionSet", ID, new=True),
                Attr("disk_size_gb", "diskSizeGB", between=(1, 32767), send="always"),
                Attr("lun", "lun", between=(0, 2000), send="always"),
                Attr(
                    "storage_account_type",
                    "managedDisk.storageAccountType",
                    choices=(
                        "Premium_LRS",
                        "PremiumV2_LRS",
                        "Premium_ZRS",
                        "Standard_LRS",
                        "StandardSSD_LRS",
                        "StandardSSD_ZRS",
                        "UltraSSD_LRS",
                    ),
                    send="always",
                ),
                Attr("write_accelerator_enabled", "writeAcceleratorEnabled", default=False, send="always"),
                Attr("disk_iops_read_write", "diskIOPSReadWrite", between=(1, INF)),
                Attr("disk_mbps_read_write", "diskMBpsReadWrite", between=(1, INF)),
                Attr("ultra_ssd_disk_iops_read_write", "diskIOPSReadWrite", between=(1, INF), major=4),
                Attr("ultra_ssd_disk_mbps_read_write", "diskMBpsReadWrite", between=(1, INF), major=4),
            ),
            send="always",
        ),
        Nested(
            "extension",
            "properties.virtualMachineProfile.extensionProfile.extensions",
            (
                Attr("name", "name", send="always"),
                Attr("publisher", "properties.publisher", send="always"),
                Attr("type", "properties.type", send="always"),
                Attr("type_handler_version", "properties.typeHandlerVersion", send="always"),
                Attr("auto_upgrade_minor_version", "properties.autoUpgradeMinorVersion", default=True, send="always"),
                Attr("automatic_upgrade_enabled", "properties.enableAutomaticUpgrade", default=False, send="always"),
                Attr("force_update_tag", "properties.forceUpdateTag", send="always"),
                Attr("provision_after_extensions", "properties.provisionAfterExtensions", send="always"),
                Attr("settings", "properties.settings", JSON),
                Attr("protected_settings", "properties.protectedSettings", JSON, read="never"),
                SECRET_SETTINGS,
            ),
            computed=True,
        ),
        Nested(
            "network_interface",
            "properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations",
            (
                Attr("name", "name", new=True, send="always"),
                Attr("primary", "properties.primary", default=False, send="always"),
                Attr(
                    "accelerated_networking_enabled",
                    "properties.enableAcceleratedNetworking",
                    default=False,
                    send="always",
                    major=5,
                ),
                Attr("ip_forwarding_enabled", "properties.enableIPForwarding", default=False, send="always", major=5),
                Attr("enable_accelerated_networking", "properties.enableAcceleratedNetworking", default=False, send="always", major=4),
                Attr("enable_ip_forwarding", "properties.enableIPForwarding", default=False, send="always", major=4),
                Attr("auxiliary_mode", "properties.auxiliaryMode", choices=("AcceleratedConnections", "Floating")),
                Attr("auxiliary_sku", "properties.auxiliarySku", choices=("A8", "A4", "A1", "A2")),
                Attr("dns_servers", "properties.dnsSettings.dnsServers", send="always"),
                Attr("network_security_group_id", "properties.networkSecurityGroup", ID),
                Nested(
                    "ip_configuration",
                    "properties.ipConfigurations",
                    (
                        Attr("name", "name", send="always"),
                        Attr("primary", "properties.primary", default=False, send="always"),
                        Attr("version", "properties.privateIPAddressVersion", default="IPv4", choices=("IPv4", "IPv6"), send="always"),
                        Attr("subnet_id", "properties.subnet", ID),
                        Attr(
                            "application_gateway_backend_address_pool_ids",
                            "properties.applicationGatewayBackendAddressPools",
                            IDS,
                            send="always",
                        ),
                        Attr("application_security_group_ids", "properties.applicationSecurityGroups", IDS, send="always"),
                        Attr(
                            "load_balancer_backend_address_pool_ids",
                            "properties.loadBalancerBackendAddressPools",
                            IDS,
                            send="always",
                        ),
                        Attr("load_balancer_inbound_nat_rules_ids", "properties.loadBalancerInboundNatPools", IDS, send="always"),
                        Nested(
                            "public_ip_address",
                            "properties.publicIPAddressConfiguration",
                            (
                                Attr("name", "name", send="always"),
                                Attr("domain_name_label", "properties.dnsSettings.domainNameLabel"),
                                Attr("idle_timeout_in_minutes", "properties.idleTimeoutInMinutes", between=(4, 32)),
                                Attr("public_ip_prefix_id", "properties.publicIPPrefix", ID, new=True),
                                Attr(
                                    "version",
                                    "properties.publicIPAddressVersion",
                                    default="IPv4",
                                    new=True,
                                    choices=("IPv4", "IPv6"),
                                    send="always",
                                ),
                                Nested(
                                    "ip_tag",
                                    "properties.ipTags",
                                    (
                                        Attr("tag", "tag", new=True, send="always"),
                                        Attr("type", "ipTagType", new=True, send="always"),
                                    ),
                                    new=True,
                                    send="always",
                                ),
                            ),
                            single=True,
                        ),
                    ),
                    send="always",
                ),
            ),
            send="always",
        ),
        Nested(
            "os_disk",
            "properties.virtualMachineProfile.storageProfile.osDisk",
            (
                *OS_DISK,
                Attr("disk_encryption_set_id", "managedDisk.diskEncryptionSet", ID, new=True),
                Attr("secure_vm_disk_encryption_set_id", "managedDisk.securityProfile.diskEncryptionSet", ID, new=True),
                Attr(
                    "security_encryption_type",
                    "managedDisk.securityProfile.securityEncryptionType",
                    new=True,
                    choices=("VMGuestStateOnly", "DiskWithVMGuestState"),
                ),
            ),
            single=True,
            send="always",
        ),
        Attr("source_image_id", "properties.virtualMachineProfile.storageProfile.imageReference.id", PLAIN_ID),
        Nested(
            "source_image_reference",
            "properties.virtualMachineProfile.storageProfile.imageReference",
            (
                Attr("publisher", "publisher", send="always"),
                Attr("offer", "offer", send="always"),
                Attr("sku", "sku", send="always"),
                Attr("version", "version", send="always"),
            ),
            single=True,
        ),
        PURCHASE_PLAN,
        IDENTITY,
        vault_secrets("properties.virtualMachineProfile"),
        boot_diagnostics("properties.virtualMachineProfile"),
        Nested(
            "admin_ssh_key",
            "properties.virtualMachineProfile.osProfile.linuxConfiguration.ssh.publicKeys",
            (
                Attr("public_key", "keyData", send="always"),
                Attr("username", "path", SSH_USER, send="always"),
            ),
            send="always",
        ),
        Nested(
            "gallery_application",
            "properties.virtualMachineProfile.applicationProfile.galleryApplications",
            (
                Attr("version_id", "packageReferenceId", new=True, send="always"),
                Attr("configuration_blob_uri", "configurationReference", new=True, send="always"),
                Attr("order", "order", default=0, new=True, between=(0, 2147483647), send="always"),
                Attr("tag", "tags", new=True, send="always"),
            ),
            read="present",
        ),
    ),
    exactly_one=(("source_image_id", "source_image_reference"),),
    hooks=Hooks(prepare=check_new, expand=_expand, flatten=_flatten, replace=_replace, check=_check),
)


LENSES = (LINUX_VIRTUAL_MACHINE_SCALE_SET,)
