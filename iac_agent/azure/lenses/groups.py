"""Resource groups and management locks.

Sources: recordings in golden (every scenario; `platform` for locks); internal/services/resource of hashicorp/terraform-provider-azurerm;
ARM api-versions 2023-07-01 and 2020-05-01.
"""

from __future__ import annotations

from iac_agent.azure.lenses.codecs import PLAIN_ID
from iac_agent.azure.lenses.table import LOCATION_ROW, NAME, TAGS, Attr, Lens

RESOURCE_GROUP = Lens(
    "azurerm_resource_group",
    "Microsoft.Resources/resourceGroups",
    {4: "2023-07-01", 5: "2023-07-01"},
    "/subscriptions/{subscription}/resourceGroups/{name}",
    (NAME, LOCATION_ROW, Attr("managed_by", "managedBy"), TAGS),
)

MANAGEMENT_LOCK = Lens(
    "azurerm_management_lock",
    "Microsoft.Authorization/locks",
    {4: "2020-05-01", 5: "2020-05-01"},
    "{scope}/providers/Microsoft.Authorization/locks/{name}",
    (
        NAME,
        Attr("scope", None, PLAIN_ID, new=True, send="never"),
        Attr("lock_level", "properties.level", new=True, choices=("CanNotDelete", "ReadOnly"), send="always"),
        Attr("notes", "properties.notes", new=True, send="always"),
    ),
)

LENSES = (RESOURCE_GROUP, MANAGEMENT_LOCK)
