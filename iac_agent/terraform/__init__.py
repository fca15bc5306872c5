"""Running Terraform or OpenTofu, and models of what they print."""
