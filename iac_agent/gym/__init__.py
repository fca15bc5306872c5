"""The gym: a local Azure that unmodified clients can use, and a sandbox provider that speaks Terraform's plugin protocol."""
