"""What changed in Azure behind Terraform's back: `scan` reads, `compare` tells, `causes` says who, `severity` how bad."""
