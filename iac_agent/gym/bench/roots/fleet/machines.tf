resource "azurerm_network_interface" "web" {
  for_each            = local.web
  name                = "nic-${each.key}"
  location            = azurerm_resource_group.orion.location
  resource_group_name = azurerm_resource_group.orion.name
  tags                = local.tags

  ip_configuration {
    name                          = "internal"
    subnet_id                     = azurerm_subnet.apps.id
    private_ip_address_allocation = "Dynamic"
  }
}

resource "azurerm_network_interface_backend_address_pool_association" "web" {
  for_each                = local.web
  network_interface_id    = azurerm_network_interface.web[each.key].id
  ip_configuration_name   = "internal"
  backend_address_pool_id = azurerm_lb_backend_address_pool.web.id
}

resource "azurerm_linux_virtual_machine" "web" {
  for_each              = local.web
  name                  = "vm-${each.key}"
  location              = azurerm_resource_group.orion.location
  resource_group_name   = azurerm_resource_group.orion.name
  size                  = "Standard_D2s_v5"
  zone                  = each.value.zone
  admin_username        = "azureuser"
  network_interface_ids = [azurerm_network_interface.web[each.key].id]
  tags                  = merge(local.tags, { tier = "web" })

  admin_ssh_key {
    username   = "azureuser"
    public_key = file("${path.module}/id_ed25519.pub")
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

resource "azurerm_network_interface" "api" {
  name                = "nic-api"
  location            = azurerm_resource_group.orion.location
  resource_group_name = azurerm_resource_group.orion.name
  tags                = local.tags

  ip_configuration {
    name                          = "internal"
    subnet_id                     = azurerm_subnet.apps.id
    private_ip_address_allocation = "Dynamic"
  }
}

resource "azurerm_linux_virtual_machine" "api" {
  name                  = "vm-api"
  location              = azurerm_resource_group.orion.location
  resource_group_name   = azurerm_resource_group.orion.name
  size                  = "Standard_D4s_v5"
  admin_username        = "azureuser"
  network_interface_ids = [azurerm_network_interface.api.id]
  tags                  = merge(local.tags, { tier = "app" })

  admin_ssh_key {
    username   = "azureuser"
    public_key = file("${path.module}/id_ed25519.pub")
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

resource "azurerm_network_interface" "db" {
  name                = "nic-db"
  location            = azurerm_resource_group.orion.location
  resource_group_name = azurerm_resource_group.orion.name
  tags                = local.tags

  ip_configuration {
    name                          = "internal"
    subnet_id                     = azurerm_subnet.data.id
    private_ip_address_allocation = "Dynamic"
  }
}

resource "azurerm_linux_virtual_machine" "db" {
  name                  = "vm-db"
  location              = azurerm_resource_group.orion.location
  resource_group_name   = azurerm_resource_group.orion.name
  size                  = "Standard_E4s_v5"
  admin_username        = "azureuser"
  network_interface_ids = [azurerm_network_interface.db.id]
  tags                  = merge(local.tags, { tier = "db" })

  admin_ssh_key {
    username   = "azureuser"
    public_key = file("${path.module}/id_ed25519.pub")
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

resource "azurerm_network_interface" "batch" {
  name                = "nic-batch"
  location            = azurerm_resource_group.orion.location
  resource_group_name = azurerm_resource_group.orion.name
  tags                = local.tags

  ip_configuration {
    name                          = "internal"
    subnet_id                     = azurerm_subnet.apps.id
    private_ip_address_allocation = "Dynamic"
  }
}

resource "azurerm_linux_virtual_machine" "batch" {
  name                  = "vm-batch"
  location              = azurerm_resource_group.orion.location
  resource_group_name   = azurerm_resource_group.orion.name
  size                  = "Standard_D2s_v5"
  admin_username        = "azureuser"
  network_interface_ids = [azurerm_network_interface.batch.id]
  tags                  = merge(local.tags, { tier = "batch" })

  admin_ssh_key {
    username   = "azureuser"
    public_key = file("${path.module}/id_ed25519.pub")
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
}

resource "azurerm_managed_disk" "db" {
  name                 = "disk-db-data"
  location             = azurerm_resource_group.orion.location
  resource_group_name  = azurerm_resource_group.orion.name
  storage_account_type = "Premium_LRS"
  create_option        = "Empty"
  disk_size_gb         = 256
  tags                 = local.tags
}

resource "azurerm_virtual_machine_data_disk_attachment" "db" {
  managed_disk_id    = azurerm_managed_disk.db.id
  virtual_machine_id = azurerm_linux_virtual_machine.db.id
  lun                = 0
  caching            = "ReadOnly"
}
