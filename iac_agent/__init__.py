"""iac-agent: plain-language changes, drift and telemetry for Azure infrastructure kept in Terraform."""

__version__ = "0.1.0"
