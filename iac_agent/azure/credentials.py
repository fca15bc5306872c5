"""Credentials as azurerm finds them: ARM_* first, then AZURE_*, then a managed identity where it is asked for, then az login.

Source: https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs (authentication guides).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from iac_agent.azure.clouds import CloudEndpoints
from iac_agent.errors import CredentialsMissing

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


def _first(environment: Mapping[str, str], *names: str) -> str:
    """The first of these variables that is set; ARM_X_FILE_PATH gives the content of a file."""
    for name in names:
        value = environment.get(name)
        if value:
            return value
        path = environment.get(f"{name}_FILE_PATH")
        if path and os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                return file.read().strip()
    return ""


def subscription(environment: Mapping[str, str]) -> str:
    """The subscription id, or empty when nothing names one."""
    return _first(environment, "ARM_SUBSCRIPTION_ID", "AZURE_SUBSCRIPTION_ID")


def resolve(environment: Mapping[str, str], cloud: CloudEndpoints) -> TokenCredential:
    """A credential for this cloud. Raises CredentialsMissing when nothing is configured."""
    from azure.identity import (
        AzureCliCredential,
        CertificateCredential,
        ClientAssertionCredential,
        ClientSecretCredential,
        ManagedIdentityCredential,
    )

    tenant = _first(environment, "ARM_TENANT_ID", "AZURE_TENANT_ID")
    client = _first(environment, "ARM_CLIENT_ID", "AZURE_CLIENT_ID")
    known = cloud.name in ("public", "usgovernment", "china")
    common = {"authority": cloud.authority, "disable_instance_discovery": not known, "connection_verify": cloud.verify}
    secret = _first(environment, "ARM_CLIENT_SECRET", "AZURE_CLIENT_SECRET")
    if tenant and client and secret:
        return ClientSecretCredential(tenant, client, secret, **common)
    certificate = _first(environment, "ARM_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PATH")
    if tenant and client and certificate:
        password = _first(environment, "ARM_CLIENT_CERTIFICATE_PASSWORD", "AZURE_CLIENT_CERTIFICATE_PASSWORD")
        return CertificateCredential(tenant, client, certificate, password=password or None, **common)
    assertion = _first(environment, "ARM_OIDC_TOKEN")
    if tenant and client and assertion:
        return ClientAssertionCredential(tenant, client, lambda: assertion, **common)
    if environment.get("ARM_USE_MSI", "").lower() in ("1", "true"):
        return ManagedIdentityCredential(client_id=client) if client else ManagedIdentityCredential()
    if environment.get("ARM_USE_CLI", "true").lower() in ("1", "true"):
        return AzureCliCredential(tenant_id=tenant) if tenant else AzureCliCredential()
    raise CredentialsMissing("no Azure credentials", hint="Set ARM_TENANT_ID, ARM_CLIENT_ID and ARM_CLIENT_SECRET, or run `az login`.")
