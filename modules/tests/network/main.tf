# A resource group with a network, for the tests of all modules.

terraform {
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.0, < 6.0"
    }
  }
}

variable "resource_group_name" {
  description = "Name of the resource group to make."
  type        = string
}

variable "location" {
  description = "Azure region."
  type        = string
}

resource "azurerm_resource_group" "test" {
  name     = var.resource_group_name
  location = var.location
}

resource "azurerm_virtual_network" "test" {
  name                = "vnet-test"
  resource_group_name = azurerm_resource_group.test.name
  location            = azurerm_resource_group.test.location
  address_space       = ["10.40.0.0/16"]
}

resource "azurerm_subnet" "test" {
  name                 = "test"
  resource_group_name  = azurerm_resource_group.test.name
  virtual_network_name = azurerm_virtual_network.test.name
  address_prefixes     = ["10.40.1.0/24"]
}

output "subnet_id" {
  description = "The subnet, 10.40.1.0/24."
  value       = azurerm_subnet.test.id
}
