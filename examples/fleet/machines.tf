resource "azurerm_virtual_network" "fleet" {
  name                = "vnet-fleet"
  location            = azurerm_resource_group.fleet.location
  resource_group_name = azurerm_resource_group.fleet.name
  address_space       = ["10.30.0.0/16"]
  tags                = var.tags
}

resource "azurerm_subnet" "fleet" {
  name                 = "snet-fleet"
  resource_group_name  = azurerm_resource_group.fleet.name
  virtual_network_name = azurerm_virtual_network.fleet.name
  address_prefixes     = ["10.30.1.0/24"]
}

resource "azurerm_network_interface" "machine" {
  for_each            = var.machines
  name                = "nic-${each.key}"
  location            = azurerm_resource_group.fleet.location
  resource_group_name = azurerm_resource_group.fleet.name
  tags                = var.tags

  ip_configuration {
    name                          = "internal"
    subnet_id                     = azurerm_subnet.fleet.id
    private_ip_address_allocation = "Dynamic"
  }
}

resource "azurerm_linux_virtual_machine" "machine" {
  for_each              = var.machines
  name                  = "vm-${each.key}"
  location              = azurerm_resource_group.fleet.location
  resource_group_name   = azurerm_resource_group.fleet.name
  size                  = each.value.size
  admin_username        = "azureuser"
  network_interface_ids = [azurerm_network_interface.machine[each.key].id]
  tags                  = merge(var.tags, { role = each.key })

  admin_ssh_key {
    username   = "azureuser"
    public_key = var.ssh_public_key
  }

  os_disk {
    caching              = "ReadWrite"
    storage_account_type = "Premium_LRS"
  }

  source_image_reference {
    publisher = "Canonical"
    offer     = "ubuntu-24_04-lts"
    sku       = "server"
    version   = "latest"
  }

  boot_diagnostics {}
}
