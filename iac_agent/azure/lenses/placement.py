"""Availability sets and proximity placement groups.

Sources: recordings in golden `lb`, `platform`; internal/services/compute/availability_set_resource.go and
proximity_placement_group_resource.go of hashicorp/terraform-provider-azurerm; ARM api-versions 2024-03-01 and 2022-03-01.
"""

from __future__ import annotations

from iac_agent.azure.lenses.codecs import ID, ONE, Codec
from iac_agent.azure.lenses.table import GROUP, LOCATION_ROW, NAME, TAGS, Attr, Hooks, Lens, Problem, Values

ALIGNED = Codec(lambda v: "Aligned" if v else "Classic", lambda v: str(v).lower() == "aligned")


def _replace_placement(prior: Values, planned: Values, major: int) -> list[tuple[str | int, ...]]:
    """The list of sizes can change, but not be taken away."""
    return [("allowed_vm_sizes",)] if prior.get("allowed_vm_sizes") and not planned.get("allowed_vm_sizes") else []


def _check_placement(config: Values, major: int) -> list[Problem]:
    if config.get("zone") and not config.get("allowed_vm_sizes"):
        return [Problem('"zone": all of `allowed_vm_sizes,zone` must be specified', ("zone",))]
    return []


AVAILABILITY_SET = Lens(
    "azurerm_availability_set",
    "Microsoft.Compute/availabilitySets",
    {4: "2024-03-01", 5: "2024-03-01"},
    "{group}/providers/Microsoft.Compute/availabilitySets/{name}",
    (
        NAME,
        GROUP,
        LOCATION_ROW,
        Attr(
            "platform_update_domain_count",
            "properties.platformUpdateDomainCount",
            default=5,
            new=True,
            between=(1, 20),
            send="always",
        ),
        Attr("platform_fault_domain_count", "properties.platformFaultDomainCount", default=3, new=True, between=(1, 3), send="always"),
        Attr("managed", "sku.name", ALIGNED, default=True, new=True),
        Attr("proximity_placement_group_id", "properties.proximityPlacementGroup", ID, new=True, read="present"),
        TAGS,
    ),
)


PROXIMITY_PLACEMENT_GROUP = Lens(
    "azurerm_proximity_placement_group",
    "Microsoft.Compute/proximityPlacementGroups",
    {4: "2022-03-01", 5: "2022-03-01"},
    "{group}/providers/Microsoft.Compute/proximityPlacementGroups/{name}",
    (
        NAME,
        GROUP,
        LOCATION_ROW,
        Attr("allowed_vm_sizes", "properties.intent.vmSizes"),
        Attr("zone", "zones", ONE, new=True),
        TAGS,
    ),
    constant={"properties": {}},
    hooks=Hooks(replace=_replace_placement, check=_check_placement),
)


LENSES = (AVAILABILITY_SET, PROXIMITY_PLACEMENT_GROUP)
