"""Azure: resource ids, credentials, clients, and the lenses that map Terraform attributes to ARM JSON."""
