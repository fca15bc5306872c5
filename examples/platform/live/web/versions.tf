terraform {
  required_version = ">= 1.5"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.0"
    }
  }
  backend "azurerm" {
    resource_group_name  = "rg-terraform-state"
    storage_account_name = "stplatformstate"
    container_name       = "tfstate"
    key                  = "platform/web.tfstate"
  }
}

provider "azurerm" {
  features {}
}
