"""The sandbox provider: plugin protocol v6, presented as hashicorp/azurerm, over the lenses and the gym's ARM."""
