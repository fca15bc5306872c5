"""Tags and names: what the repository's own conventions say. Those that need a list are in force where the configuration gives one."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from iac_agent.azure.lenses.codecs import normal_location
from iac_agent.azure.schemas import provider_schema
from iac_agent.guard.planned import AFTER_APPLY, Resource
from iac_agent.guard.policies.types import LEARN
from iac_agent.guard.policy import Example, Policy, Ruling, Severity
from iac_agent.guard.predicates import A, Custom
from iac_agent.guard.truth import Truth, every, known

_LIMITS = f"{LEARN}azure-resource-manager/management/tag-resources"
_NAMES = f"{LEARN}cloud-adoption-framework/ready/azure-best-practices/resource-abbreviations"
_MOST_TAGS, _KEY, _VALUE = 50, 512, 256
_PREFIXES: Mapping[str, str] = {
    "azurerm_resource_group": "rg-",
    "azurerm_virtual_network": "vnet-",
    "azurerm_subnet": "snet-",
    "azurerm_network_security_group": "nsg-",
    "azurerm_network_interface": "nic-",
    "azurerm_public_ip": "pip-",
    "azurerm_linux_virtual_machine": "vm",
    "azurerm_windows_virtual_machine": "vm",
    "azurerm_linux_virtual_machine_scale_set": "vmss-",
    "azurerm_managed_disk": "disk-|osdisk-",
    "azurerm_key_vault": "kv-",
    "azurerm_storage_account": "st",
    "azurerm_log_analytics_workspace": "log-",
    "azurerm_user_assigned_identity": "id-",
    "azurerm_route_table": "rt-",
    "azurerm_availability_set": "avail-",
    "azurerm_lb": "lb[ie]?-",
}
_FIXED = re.compile(r"^(?:Gateway|AzureFirewall|AzureFirewallManagement|AzureBastion|RouteServer)Subnet$")


@dataclass(frozen=True)
class Conventions:
    """What a repository says of its own resources: tags that all carry, values that some may have, regions and sizes that may be used."""

    tags: tuple[str, ...] = ()
    tag_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()


@functools.cache
def types_with(attribute: str) -> tuple[str, ...]:
    """The azurerm types that have an attribute, by the provider's own schema."""
    return tuple(t for t, held in provider_schema(5).raw["resource_schemas"].items() if attribute in held["block"]["attributes"])


def _fits(resource: Resource) -> Truth:
    tags = resource.one("tags")
    if tags is AFTER_APPLY:
        return Truth.UNKNOWN
    return known(
        len(tags or {}) <= _MOST_TAGS
        and all(len(k) <= _KEY and not re.search(r"[<>%&\\?/]", k) and len(str(v)) <= _VALUE for k, v in (tags or {}).items())
    )


def _allowed(values: Mapping[str, Iterable[str]]) -> Custom:
    wanted = {k.lower(): {v.lower() for v in listed} for k, listed in values.items()}

    def one(key: str, value: object) -> Truth:
        if value is AFTER_APPLY:
            return Truth.UNKNOWN
        return known(key not in wanted or str(value).lower() in wanted[key])

    def test(resource: Resource) -> Truth:
        tags = resource.one("tags")
        return Truth.UNKNOWN if tags is AFTER_APPLY else every(one(k.lower(), v) for k, v in (tags or {}).items())

    told = "; ".join(f"{k} is one of {', '.join(v)}" for k, v in values.items())
    return Custom(f"tags have allowed values: {told}", test, ("tags",))


def _by_convention(resource: Resource) -> Truth:
    name = resource.one("name")
    if name is AFTER_APPLY:
        return Truth.UNKNOWN
    return known(bool(_FIXED.match(str(name))) or re.match(_PREFIXES[resource.type], str(name), re.IGNORECASE) is not None)


ALWAYS = (
    Policy(
        "TAG-003",
        "Tags fit Azure's limits",
        types_with("tags"),
        Custom(f"at most {_MOST_TAGS} tags, with names and values that Azure takes", _fits, ("tags",)),
        "Azure refuses the resource at apply.",
        "Shorten the tags; names have none of < > % & \\ ? /.",
        _LIMITS,
        severity=Severity.HIGH,
        fails=Ruling.REFUSE,
        unclear=Ruling.WARN,
        passing=Example({"tags": {"owner": "ops"}}),
        failing=Example({"tags": {"cost/centre": "1"}}),
    ),
    Policy(
        "NAM-001",
        "Names begin as the Cloud Adoption Framework has it",
        tuple(_PREFIXES),
        Custom("the name begins with the abbreviation of its type", _by_convention, ("name",)),
        "In a list of thousands a name says what it is.",
        "Rename it while it is new; later it forces a replacement.",
        _NAMES,
        severity=Severity.LOW,
        optional=True,
        passing=Example({"name": "rg-shop"}),
        failing=Example({"name": "Shop"}),
    ),
)


def by(conventions: Conventions) -> tuple[Policy, ...]:
    """The policies of a repository's conventions; none for what it does not say."""
    found = list(ALWAYS)
    if conventions.tags:
        found.append(
            Policy(
                "TAG-001",
                f"Resources are tagged with {', '.join(conventions.tags)}",
                types_with("tags"),
                A("tags").has(*conventions.tags),
                "Nobody answers for what nobody's name is on.",
                "Add the tags, or merge local.tags.",
                _LIMITS,
                passing=Example({"tags": {t.upper(): "x" for t in conventions.tags}}),
                failing=Example({"tags": {}}),
            )
        )
    if conventions.tag_values:
        some_key, its_values = next(iter(conventions.tag_values.items()))
        found.append(
            Policy(
                "TAG-002",
                "Tags have the values that are agreed",
                types_with("tags"),
                _allowed(conventions.tag_values),
                "Reports by tag are wrong with every new spelling.",
                "Use one of the values that are agreed.",
                _LIMITS,
                passing=Example({"tags": {some_key: its_values[0]}}),
                failing=Example({"tags": {some_key: "not one of them"}}),
            )
        )
    if conventions.regions:
        regions = {normal_location(r) for r in conventions.regions} | {"global"}
        found.append(
            Policy(
                "NAM-002",
                f"Resources are in {', '.join(conventions.regions)}",
                types_with("location"),
                A("location", "global").passes(lambda v: normal_location(str(v)) in regions, f"is one of {', '.join(conventions.regions)}"),
                "What is elsewhere is under other laws, and far from the rest.",
                "Choose a region that is allowed.",
                f"{LEARN}reliability/regions-overview",
                severity=Severity.HIGH,
                fails=Ruling.REFUSE,
                unclear=Ruling.UNKNOWN,
                passing=Example({"location": conventions.regions[0]}),
                failing=Example({"location": "nowhere"}),
            )
        )
    if conventions.sizes:
        sizes = {s.lower() for s in conventions.sizes}
        found.append(
            Policy(
                "CST-012",
                "Machines have a size that is allowed",
                ("azurerm_linux_virtual_machine", "azurerm_windows_virtual_machine"),
                A("size").passes(lambda v: str(v).lower() in sizes, f"is one of {', '.join(conventions.sizes)}"),
                "Reservations were bought for these.",
                "Choose a size that is allowed.",
                f"{LEARN}virtual-machines/sizes/overview",
                severity=Severity.HIGH,
                fails=Ruling.REFUSE,
                unclear=Ruling.UNKNOWN,
                passing=Example({"size": conventions.sizes[0]}),
                failing=Example({"size": "Standard_M128ms"}),
            )
        )
    return tuple(found)
