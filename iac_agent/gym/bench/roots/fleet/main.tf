terraform {
  required_providers {
    azurerm = { source = "hashicorp/azurerm", version = "~> 5.0" }
  }
}

provider "azurerm" {
  features {}
}

locals {
  location = "westeurope"
  web = {
    "web-1" = { zone = "1" }
    "web-2" = { zone = "2" }
  }
  tags = { project = "orion", env = "prod" }
}

resource "azurerm_resource_group" "orion" {
  name     = "rg-orion"
  location = local.location
  tags     = local.tags
}
