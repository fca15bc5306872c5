# Nothing reaches a Standard address until a network security group allows it.
resource "azurerm_public_ip" "this" {
  count = var.public_ip ? 1 : 0

  name                = "pip-${var.name}"
  resource_group_name = var.resource_group_name
  location            = var.location
  allocation_method   = "Static"
  sku                 = "Standard"
  tags                = var.tags

  # Azure refuses to delete an address that an interface still has; this way the interface gives it up first.
  lifecycle {
    create_before_destroy = true
  }
}

resource "azurerm_network_interface" "this" {
  name                = "nic-${var.name}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  ip_configuration {
    name                          = "internal"
    subnet_id                     = var.subnet_id
    private_ip_address_allocation = "Dynamic"
    public_ip_address_id          = var.public_ip ? azurerm_public_ip.this[0].id : null
  }
}

resource "azurerm_linux_virtual_machine" "this" {
  name                            = var.name
  resource_group_name             = var.resource_group_name
  location                        = var.location
  size                            = var.size
  zone                            = var.zone
  admin_username                  = var.admin_username
  disable_password_authentication = true
  network_interface_ids           = [azurerm_network_interface.this.id]
  custom_data                     = var.custom_data == null ? null : base64encode(var.custom_data)
  secure_boot_enabled             = var.trusted_launch
  vtpm_enabled                    = var.trusted_launch
  encryption_at_host_enabled      = var.encryption_at_host
  priority                        = var.spot == null ? "Regular" : "Spot"
  eviction_policy                 = var.spot == null ? null : var.spot.eviction_policy
  max_bid_price                   = var.spot == null ? null : var.spot.max_bid_price
  tags                            = var.tags

  admin_ssh_key {
    username   = var.admin_username
    public_key = var.ssh_public_key
  }

  os_disk {
    caching              = "ReadWrite"
    storage_account_type = var.os_disk_type
    disk_size_gb         = var.os_disk_gb
  }

  source_image_reference {
    publisher = var.image.publisher
    offer     = var.image.offer
    sku       = var.image.sku
    version   = var.image.version
  }

  dynamic "boot_diagnostics" {
    for_each = var.boot_diagnostics ? [1] : []

    # Without a storage account Azure keeps the log in one of its own.
    content {}
  }
}

resource "azurerm_managed_disk" "data" {
  for_each = var.data_disks

  name                          = "disk-${var.name}-${each.key}"
  resource_group_name           = var.resource_group_name
  location                      = var.location
  zone                          = endswith(each.value.type, "_ZRS") ? null : var.zone
  storage_account_type          = each.value.type
  create_option                 = "Empty"
  disk_size_gb                  = each.value.size_gb
  network_access_policy         = "DenyAll"
  public_network_access_enabled = false
  tags                          = var.tags
}

resource "azurerm_virtual_machine_data_disk_attachment" "data" {
  for_each = var.data_disks

  managed_disk_id    = azurerm_managed_disk.data[each.key].id
  virtual_machine_id = azurerm_linux_virtual_machine.this.id
  lun                = each.value.lun
  caching            = each.value.caching
}
