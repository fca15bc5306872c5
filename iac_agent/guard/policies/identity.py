"""Identity: who may do what, and with which credentials."""

from __future__ import annotations

from iac_agent.guard.planned import AFTER_APPLY, Resource
from iac_agent.guard.policies.types import (
    EXTENSION,
    LEARN,
    LINUX,
    MACHINES,
    ROLE,
    SCALE_SET,
    STORAGE,
    VAULT,
    WORKSPACE,
)
from iac_agent.guard.policy import Example, Policy, Ruling, Severity
from iac_agent.guard.predicates import A, Blocks, Custom
from iac_agent.guard.truth import Truth, known
from iac_agent.hcl.secrets import in_text

_USUAL = ("admin", "administrator", "root", "user", "test", "guest", "azureuser", "adminuser")
_PRACTICE = f"{LEARN}role-based-access-control/best-practices"
_OWNER, _ACCESS = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
_RBAC, _CONTRIBUTOR = "f58310d9-a9f6-439a-9e8d-f62e7b41a168", "b24988ac-6180-42a0-ab88-20f7382dd24c"
_WIDE_SCOPE = r"^/(?:subscriptions/[^/]+/?|providers/Microsoft\.Management/managementGroups/[^/]+/?)?$"
_EVERYTHING = 14  # permissions there are of keys, secrets or certificates, about


def _gives(*roles: tuple[str, str]) -> Custom:
    """The assignment is of one of these roles, by name or by the id of its definition."""
    names, ids = {n.lower() for n, _ in roles}, {i for _, i in roles}

    def test(resource: Resource) -> Truth:
        name, definition = resource.one("role_definition_name"), resource.one("role_definition_id")
        if isinstance(name, str) and name.strip():
            return known(name.strip().lower() in names)
        if isinstance(definition, str):
            return known(definition.rstrip("/").rsplit("/", 1)[-1].lower() in ids)
        return Truth.UNKNOWN if AFTER_APPLY in (name, definition) else Truth.NO

    return Custom(f"the role is {' or '.join(n for n, _ in roles)}", test, ("role_definition_name",))


def _no_secret(resource: Resource) -> Truth:
    """No secret is in what everyone who can read the machine can read."""
    for path in ("settings", "user_data"):
        value = resource.one(path)
        if value is AFTER_APPLY:
            return Truth.UNKNOWN
        if isinstance(value, str) and any(in_text(value)):
            return Truth.NO
    return Truth.YES


def _modest(policy: Resource) -> Truth:
    for path in ("key_permissions", "secret_permissions", "certificate_permissions"):
        held = policy.one(path)
        if held is AFTER_APPLY:
            return Truth.UNKNOWN
        listed = {str(p).lower() for p in held or ()}
        if "purge" in listed or len(listed) >= _EVERYTHING:
            return Truth.NO
    return Truth.YES


_CONDITIONED = A("condition").passes(lambda v: bool(str(v or "").strip()), "is set")
_ROLES = (ROLE, "azurerm_pim_active_role_assignment", "azurerm_pim_eligible_role_assignment")
_OWNER_ROLE = ("Owner", _OWNER)
_GRANTING = (("User Access Administrator", _ACCESS), ("Role Based Access Control Administrator", _RBAC))
POLICIES = (
    Policy(
        "IDN-001",
        "Linux machines take keys, not passwords",
        (LINUX, SCALE_SET),
        A("disable_password_authentication", True).is_(True),
        "Passwords are guessed and reused; keys are neither.",
        "Use admin_ssh_key and leave disable_password_authentication on.",
        f"{LEARN}virtual-machines/linux/create-ssh-keys-detailed",
        severity=Severity.HIGH,
        passing=Example(),
        failing=Example({"disable_password_authentication": False}),
    ),
    Policy(
        "IDN-002",
        "Administrators have names that are not guessed first",
        (*MACHINES, SCALE_SET),
        ~A("admin_username", "").is_in(*_USUAL),
        "Half of a guess is the name.",
        "Choose another name; on a machine that exists it would force a replacement.",
        "https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs/resources/linux_virtual_machine",
        severity=Severity.LOW,
        passing=Example({"admin_username": "ops-jump"}),
        failing=Example({"admin_username": "Administrator"}),
    ),
    Policy(
        "IDN-003",
        "No secret is in settings or user data",
        (*MACHINES, SCALE_SET, EXTENSION),
        Custom("settings and user_data hold no secret", _no_secret, ("settings", "user_data")),
        "Everyone who may read the machine may read them.",
        "Use protected_settings, or a key vault and a managed identity.",
        f"{LEARN}virtual-machines/extensions/features-linux",
        severity=Severity.CRITICAL,
        fails=Ruling.REFUSE,
        passing=Example({"settings": '{"commandToExecute":"echo hello"}'}),
        failing=Example({"settings": '{"env":"DB_PASSWORD=Tr0ub4dor&3xample!"}'}),
    ),
    Policy(
        "IDN-004",
        "Machines have a managed identity",
        (*MACHINES, SCALE_SET),
        A("identity.type").is_set(),
        "Without one, programs on it are given secrets that somebody must keep and renew.",
        'Add identity { type = "SystemAssigned" }.',
        f"{LEARN}active-directory/managed-identities-azure-resources/overview",
        severity=Severity.LOW,
        passing=Example({"identity": [{"type": "SystemAssigned"}]}),
        failing=Example({"identity": []}),
    ),
    Policy(
        "IDN-005",
        "Nobody is made Owner",
        _ROLES,
        _gives(_OWNER_ROLE) >> _CONDITIONED,
        "An owner can give every right to everyone, also to themselves.",
        "Give Contributor or a narrower role, or add a condition.",
        _PRACTICE,
        severity=Severity.CRITICAL,
        fails=Ruling.REFUSE,
        unclear=Ruling.UNKNOWN,
        passing=Example({"role_definition_name": "Reader"}),
        failing=Example({"role_definition_name": "Owner", "scope": "/subscriptions/0"}),
    ),
    Policy(
        "IDN-006",
        "Rights to give rights have a condition",
        _ROLES,
        _gives(*_GRANTING) >> _CONDITIONED,
        "Who may assign roles may assign Owner.",
        "Add a condition that names the roles and principals that may be assigned.",
        f"{LEARN}role-based-access-control/delegate-role-assignments-overview",
        severity=Severity.CRITICAL,
        fails=Ruling.REFUSE,
        unclear=Ruling.UNKNOWN,
        passing=Example({"role_definition_id": f"/x/{_CONTRIBUTOR}"}),
        failing=Example({"role_definition_id": f"/x/{_ACCESS}"}),
    ),
    Policy(
        "IDN-007",
        "Broad roles stop at a resource group",
        _ROLES,
        A("scope").matches(_WIDE_SCOPE) >> ~_gives(_OWNER_ROLE, ("Contributor", _CONTRIBUTOR), *_GRANTING),
        "A stolen token then reaches everything there is.",
        "Assign the role at the resource group that needs it.",
        f"{LEARN}role-based-access-control/scope-overview",
        severity=Severity.HIGH,
        passing=Example({"scope": "/subscriptions/0/resourceGroups/r", "role_definition_name": "Contributor"}),
        failing=Example({"scope": "/subscriptions/0", "role_definition_name": "Contributor"}),
    ),
    Policy(
        "IDN-008",
        "Roles go to groups and identities, not to persons",
        _ROLES,
        ~A("principal_type", "").is_("User"),
        "Persons change teams; what they were given stays.",
        "Assign the role to a group.",
        _PRACTICE,
        severity=Severity.LOW,
        passing=Example({"principal_type": "Group"}),
        failing=Example({"principal_type": "User"}),
    ),
    Policy(
        "IDN-009",
        "Storage accounts refuse shared keys",
        (STORAGE,),
        A("shared_access_key_enabled", True).is_(False),
        "Who has the key has everything, and nobody can tell who it was.",
        "Set shared_access_key_enabled = false and give data roles; the provider then needs storage_use_azuread.",
        f"{LEARN}storage/common/shared-key-authorization-prevent",
        severity=Severity.LOW,
        passing=Example({"shared_access_key_enabled": False}),
        failing=Example(),
    ),
    Policy(
        "IDN-010",
        "Key vaults authorise through roles",
        (VAULT,),
        A("rbac_authorization_enabled", False).is_(True) | A("enable_rbac_authorization", False).is_(True),
        "Access policies cannot be limited to one secret, and a contributor may write them.",
        "Set rbac_authorization_enabled = true and replace the access policies by role assignments.",
        f"{LEARN}key-vault/general/rbac-guide",
        passing=Example({"rbac_authorization_enabled": True}),
        failing=Example(),
    ),
    Policy(
        "IDN-011",
        "Access policies of key vaults are modest",
        (VAULT,),
        Blocks("access_policy", Custom("it may not purge, nor do everything", _modest, ("key_permissions", "secret_permissions"))),
        "Purged keys take the data with them that they encrypt.",
        "Give Get and List; leave Purge to a break-glass account.",
        f"{LEARN}key-vault/general/assign-access-policy",
        severity=Severity.HIGH,
        passing=Example({"access_policy": [{"secret_permissions": ["Get", "List"]}]}),
        failing=Example({"access_policy": [{"key_permissions": ["Get", "Purge"]}]}),
    ),
    Policy(
        "IDN-012",
        "Storage accounts have no local users",
        (STORAGE,),
        A("local_user_enabled", True).is_(False),
        "SFTP users with passwords of their own live outside of every directory.",
        "Set local_user_enabled = false.",
        f"{LEARN}storage/blobs/secure-file-transfer-protocol-support",
        severity=Severity.LOW,
        passing=Example({"local_user_enabled": False}),
        failing=Example(),
    ),
    Policy(
        "IDN-013",
        "Log workspaces take tokens, not keys",
        (WORKSPACE,),
        A("local_authentication_enabled", True).is_(False) | A("local_authentication_disabled", False).is_(True),
        "Who has the workspace key can write any log.",
        "Set local_authentication_enabled = false.",
        f"{LEARN}azure-monitor/logs/azure-ad-authentication-logs",
        severity=Severity.LOW,
        passing=Example({"local_authentication_enabled": False}),
        failing=Example(),
    ),
)
