resource "azurerm_resource_group" "network" {
  name     = "rg-platform-network"
  location = "westeurope"
}

resource "azurerm_virtual_network" "main" {
  name                = "vnet-platform"
  location            = azurerm_resource_group.network.location
  resource_group_name = azurerm_resource_group.network.name
  address_space       = ["10.20.0.0/16"]
}
