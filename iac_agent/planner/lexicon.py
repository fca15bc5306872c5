"""The words people use, and what they mean here: verbs, kinds of resources, and words that only frame a request."""

from __future__ import annotations

import re

from iac_agent.planner import inventory as inv

VERBS: dict[str, tuple[str, ...]] = {
    "create": (
        "create", "provision", "deploy", "launch", "spin up", "spin-up", "stand up", "set up", "setup", "build", "bring up", "start up",
        "roll out", "i need", "we need", "need", "new", "another", "additional", "put up",
    ),
    "attach": (
        "attach", "hook up", "hook", "mount", "plug", "plug in", "connect", "stick", "slap", "put", "give", "gets", "get", "add", "needs",
        "need", "wants", "want", "should have", "bolt", "hang", "throw",
    ),
    "detach": ("detach", "unhook", "unplug", "unmount", "disconnect", "pull", "take", "unattach", "eject", "release", "drop", "yank"),
    "grow": (
        "grow", "extend", "expand", "enlarge", "increase", "bump", "raise", "double", "triple", "bigger", "larger", "more room", "blow up",
        "add", "plus", "upsize", "up", "give", "make", "set", "should have", "resize", "needs", "widen",
    ),
    "shrink": ("shrink", "reduce", "decrease", "halve", "cut", "smaller", "trim", "downsize", "lower"),
    "enable": ("enable", "turn on", "switch on", "activate", "add", "set up", "want", "need", "with", "should have", "on", "give", "use", "put"),
    "disable": (
        "disable", "turn off", "switch off", "deactivate", "remove", "drop", "no more", "no", "off", "without", "kill", "get rid of", "stop",
        "not need", "stays off", "lose",
    ),
    "remove": (
        "remove", "delete", "destroy", "kill", "nuke", "get rid of", "throw away", "throw out", "decommission", "tear down", "drop", "ditch",
        "retire", "scrap", "bin", "trash", "terminate", "wipe", "take down", "axe", "dispose of", "deprovision", "clean up", "goes", "go away",
        "not need", "no longer need", "toss", "purge", "eliminate", "take out", "kick out", "kick", "sunset", "shut down for good", "tidy up",
    ),
    "rename": ("rename", "relabel", "call", "rechristen", "should be called", "should read", "name it"),
    "move": ("move", "relocate", "migrate", "shift", "transfer", "rehome", "re-home", "bring"),
    "open": ("open", "allow", "let", "permit", "expose", "unblock", "accept", "whitelist", "allowlist", "make reachable", "let in", "takes"),
    "close": ("close", "block", "shut", "deny", "forbid", "stop", "lock down", "revoke", "disallow", "remove", "drop", "no more"),
    "narrow": ("restrict", "limit", "narrow", "only", "lock down", "tighten", "just from", "confine", "change"),
    "scale": ("scale", "run", "have", "increase", "reduce"),
    "resize": (
        "resize", "upsize", "downsize", "scale up", "scale down", "bump", "beef up", "beef", "upgrade", "downgrade", "bigger", "smaller",
        "larger", "size", "step", "shrink", "grow", "double", "halve", "half", "should be", "set", "change", "switch", "make", "needs", "use",
    ),
    "tag": ("tag", "label", "mark", "retag", "stamp", "annotate"),
}

KINDS: dict[str, tuple[str, ...]] = {
    "vm": inv.MACHINES, "virtual machine": inv.MACHINES, "machine": inv.MACHINES, "server": inv.MACHINES, "box": inv.MACHINES,
    "host": inv.MACHINES, "instance": inv.MACHINES, "node": inv.MACHINES, "vps": inv.MACHINES,
    "linux vm": (inv.LINUX,), "linux machine": (inv.LINUX,), "linux server": (inv.LINUX,), "linux box": (inv.LINUX,),
    "windows vm": (inv.WINDOWS,), "windows machine": (inv.WINDOWS,), "windows server": (inv.WINDOWS,), "windows box": (inv.WINDOWS,),
    "windows host": (inv.WINDOWS,),
    "scale set": inv.SCALE_SETS, "scaleset": inv.SCALE_SETS, "vmss": inv.SCALE_SETS, "virtual machine scale set": inv.SCALE_SETS,
    "data disk": (inv.DISK,), "managed disk": (inv.DISK,), "disk": (inv.DISK,), "drive": (inv.DISK,), "volume": (inv.DISK,),
    "disk attachment": (inv.ATTACHMENT,), "attachment": (inv.ATTACHMENT,),
    "resource group": (inv.GROUP,), "rg": (inv.GROUP,),
    "virtual network": (inv.NETWORK,), "vnet": (inv.NETWORK,), "network": (inv.NETWORK,),
    "subnet": (inv.SUBNET,),
    "network interface": (inv.NIC,), "interface": (inv.NIC,), "nic": (inv.NIC,), "network card": (inv.NIC,),
    "network security group": (inv.NSG,), "security group": (inv.NSG,), "nsg": (inv.NSG,), "firewall": (inv.NSG,),
    "security rule": (inv.RULE,), "nsg rule": (inv.RULE,), "firewall rule": (inv.RULE,),
    "public ip address": (inv.PUBLIC_IP,), "public ip": (inv.PUBLIC_IP,), "public address": (inv.PUBLIC_IP,), "pip": (inv.PUBLIC_IP,),
    "load balancer": (inv.BALANCER,), "loadbalancer": (inv.BALANCER,), "balancer": (inv.BALANCER,), "lb": (inv.BALANCER,),
    "lb rule": ("azurerm_lb_rule",), "load balancer rule": ("azurerm_lb_rule",), "probe": ("azurerm_lb_probe",),
    "backend pool": ("azurerm_lb_backend_address_pool",),
    "storage account": ("azurerm_storage_account",), "storage": ("azurerm_storage_account",),
    "storage container": ("azurerm_storage_container",), "container": ("azurerm_storage_container",),
    "key vault": ("azurerm_key_vault",), "keyvault": ("azurerm_key_vault",), "vault": ("azurerm_key_vault",),
    "log analytics workspace": ("azurerm_log_analytics_workspace",), "workspace": ("azurerm_log_analytics_workspace",),
    "availability set": ("azurerm_availability_set",), "snapshot": ("azurerm_snapshot",),
    "nat gateway": ("azurerm_nat_gateway",), "route table": ("azurerm_route_table",), "private endpoint": ("azurerm_private_endpoint",),
    "managed identity": ("azurerm_user_assigned_identity",), "identity": ("azurerm_user_assigned_identity",),
    "proximity placement group": ("azurerm_proximity_placement_group",), "action group": ("azurerm_monitor_action_group",),
}

PLURALS: dict[str, str] = {"boxes": "box", "vms": "vm", "nics": "nic", "nsgs": "nsg", "identities": "identity"}

ROLE_NOUNS: dict[str, tuple[str, ...]] = {
    "database": ("db", "database", "sql", "postgres", "mysql", "data"), "databases": ("db", "database", "sql", "postgres", "mysql", "data"),
    "db": ("db", "database"), "dbs": ("db", "database"), "frontend": ("web", "frontend"), "backend": ("api", "backend"),
    "webserver": ("web",), "webservers": ("web",), "jumpbox": ("jump", "bastion"), "jumphost": ("jump", "bastion"), "bastion": ("bastion", "jump"),
    "dbserver": ("db", "database"),
}

SERVICES: dict[str, str] = {
    "ssh": "22", "rdp": "3389", "https": "443", "http": "80", "postgres": "5432", "postgresql": "5432", "mysql": "3306", "redis": "6379",
    "mssql": "1433", "sql server": "1433", "mongodb": "27017", "mongo": "27017", "smtp": "25", "dns": "53", "winrm": "5986", "syslog": "514",
    "ldap": "389", "ldaps": "636", "smb": "445", "nfs": "2049", "elasticsearch": "9200", "kafka": "9092", "rabbitmq": "5672", "amqp": "5672",
    "memcached": "11211", "ftp": "21", "telnet": "23", "statsd": "8125", "snmp": "161", "ntp": "123", "prometheus": "9090", "grafana": "3000",
    "node exporter": "9100", "node-exporter": "9100",
}
UDP_SERVICES = ("syslog", "dns", "statsd", "snmp", "ntp")
ADMIN_PORTS = frozenset(
    {"21", "22", "23", "25", "135", "139", "389", "445", "1433", "1521", "2049", "3306", "3389", "5432", "5984", "5985", "5986", "6379", "9200", "11211", "27017"}
)

REGIONS = (
    "westeurope", "northeurope", "swedencentral", "uksouth", "ukwest", "francecentral", "francesouth", "germanywestcentral", "germanynorth",
    "norwayeast", "norwaywest", "switzerlandnorth", "switzerlandwest", "polandcentral", "italynorth", "spaincentral", "eastus", "eastus2",
    "westus", "westus2", "westus3", "centralus", "northcentralus", "southcentralus", "westcentralus", "canadacentral", "canadaeast",
    "brazilsouth", "australiaeast", "australiasoutheast", "southeastasia", "eastasia", "japaneast", "japanwest", "koreacentral", "koreasouth",
    "centralindia", "southindia", "westindia", "southafricanorth", "uaenorth", "qatarcentral", "israelcentral", "mexicocentral",
)

NUMBERS: dict[str, int] = {
    "a": 1, "an": 1, "one": 1, "single": 1, "two": 2, "couple": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "twelve": 12, "sixteen": 16, "thirty-two": 32, "both": 2, "half a": 0,
}
ORDINALS: dict[str, int] = {"first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "last": -1}

ALL = re.compile(r"\b(all|every|each|both|everything|everywhere|any|anywhere)\b", re.IGNORECASE)
EXCEPT = re.compile(
    r"(?:,\s*)?\b(?:except(?: for)?|but not|other than|apart from|excluding|besides|save for|not counting|without touching|but (?:don'?t|do not) touch|"
    r"(?:but )?leave (?:out )?|minus|(?<=everything )but|(?<=all )but|(?<=every machine )but|(?<=else )but)\s+(?P<rest>.+)",
    re.IGNORECASE,
)
ALL_BUT = re.compile(r"\b(?:all|every\w*|each|any\w*)\b(?:\s+[\w-]+){0,3}?\s+but\s+(?P<rest>(?!not\b)[\w-]+(?:\s+[\w-]+)*)", re.IGNORECASE)
NEGATED = re.compile(
    r"[,;.(]?\s*\b(?:but\s+|and\s+)?(?P<rest>(?:not (?:on |for |the )?[\w-]+(?: ones?)?|(?:the )?[\w' -]{1,30}?(?: stays?| stay| remains?) (?:as (?:it is|they are|is)|put|in [\w -]+|untouched|where \w+ \w+)|"
    r"leave (?:the )?[\w -]+? (?:as (?:it is|they are|is)|alone|untouched)|(?:don'?t|do not) (?:touch|delete) (?:the )?[\w -]+|nothing else|only the vm|the rest stays[\w ]*|keep[\w ]*? (?:disks?|data)[\w ]*))\s*$",
    re.IGNORECASE,
)
POLITE = re.compile(
    r"\b(?:please|pls|plz|kindly|could you|can you|would you|will you|can we|could we|i(?:'d| would) like(?: you)? to|we(?:'d| would) like(?: you)? to|"
    r"let'?s|go ahead and|just|asap|thanks|thank you|thx|hey|hi|hello|ok|okay|iacagent|i want you to|we should|we have to|i want to|we want to|time to|"
    r"the time has come to|now|quickly|real quick|for me|for us|while you'?re at it|while we'?re at it|as well|too|also|again)\b[,:]?",
    re.IGNORECASE,
)


def verb_pattern(*meanings: str) -> re.Pattern[str]:
    """Any word for one of these meanings."""
    words = sorted({w for m in meanings for w in VERBS[m]}, key=len, reverse=True)
    return re.compile(r"(?<![\w-])(?:" + "|".join(re.escape(w).replace(r"\ ", r"\s+") for w in words) + r")(?![\w-])", re.IGNORECASE)


def singular(word: str) -> str:
    if word in PLURALS:
        return PLURALS[word]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


KIND_PATTERN = re.compile(
    r"(?<![\w-])(?P<kind>" + "|".join(sorted((re.escape(k).replace(r"\ ", r"[\s-]") for k in KINDS), key=len, reverse=True)) + r")(?P<plural>es|s)?(?![\w-])",
    re.IGNORECASE,
)


KNOWN_WORDS = frozenset(
    w for group in (*VERBS.values(), tuple(KINDS), tuple(SERVICES), tuple(ROLE_NOUNS), tuple(NUMBERS), REGIONS) for phrase in group for w in phrase.split()
) | frozenset(
    "removed deleted attached detached resized renamed enabled disabled restricted increased created deployed removes deletes resizing regularly machine instance server provisioned converted servers".split()
)


def kind_of(match: re.Match[str]) -> tuple[str, ...]:
    return KINDS[re.sub(r"[\s-]+", " ", match["kind"].lower())]
