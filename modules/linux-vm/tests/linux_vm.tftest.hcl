provider "azurerm" {
  features {}
}

variables {
  resource_group_name = "rg-test-linux-vm"
  location            = "westeurope"
  name                = "vm-test"
  ssh_public_key      = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCl48FUbuM5SYEgAj6g413qybSd8rbHazFwL/pWx+TZj7BGc1ofDqG5XwdhKgrtQpG2/GEZdMNi2OL+XKMCO6eRsWslf7xkP/0xqZFVInjwDY6x4V899X1RenR6aQNwswKAtPkPR6TTWpYiojux/89qAis/0aryF9SGSeEW35qHxQimyKhSxEMo782PnjJY0UewSFvU19oUK2Z2uygRFCwMhzMfbNCSu1Dv+rURHFEk2l1KNix7Z5pXQ6SC3hks0rbbCkd+5TuZ1gDDpyNX4uPcDYgZk5MoASay9DANKfxfS3nyNC8HyJWLKNIKjSYLTv6tA7ECsa5Jye3O4vlGBJEJ test"
}

run "setup" {
  module {
    source = "../tests/network"
  }
}

run "defaults" {
  variables {
    subnet_id = run.setup.subnet_id
  }

  assert {
    condition     = output.name == "vm-test" && endswith(output.id, "/virtualMachines/vm-test")
    error_message = "The machine has another name: ${output.id}"
  }

  assert {
    condition     = startswith(output.private_ip_address, "10.40.1.")
    error_message = "The machine is not in the subnet: ${output.private_ip_address}"
  }

  assert {
    condition     = output.public_ip_address == null && length(azurerm_public_ip.this) == 0
    error_message = "There is a public address though none was asked for."
  }

  assert {
    condition     = azurerm_linux_virtual_machine.this.disable_password_authentication
    error_message = "Passwords are on."
  }

  assert {
    condition     = azurerm_linux_virtual_machine.this.secure_boot_enabled && azurerm_linux_virtual_machine.this.vtpm_enabled
    error_message = "Trusted launch is off."
  }

  assert {
    condition     = azurerm_linux_virtual_machine.this.source_image_reference[0].offer == "ubuntu-24_04-lts"
    error_message = "The image is not Ubuntu 24.04."
  }

  assert {
    condition     = azurerm_linux_virtual_machine.this.priority == "Regular"
    error_message = "The machine is Spot."
  }

  assert {
    condition     = length(azurerm_linux_virtual_machine.this.boot_diagnostics) == 1
    error_message = "Boot diagnostics are off."
  }
}

run "grown" {
  variables {
    subnet_id        = run.setup.subnet_id
    size             = "Standard_D4s_v5"
    os_disk_gb       = 128
    boot_diagnostics = false
    public_ip        = true
    tags             = { env = "test" }

    data_disks = {
      data = { size_gb = 128, lun = 0 }
      logs = { size_gb = 32, type = "StandardSSD_LRS", lun = 1, caching = "ReadOnly" }
    }
  }

  assert {
    condition     = output.id == run.defaults.id && output.private_ip_address == run.defaults.private_ip_address
    error_message = "The machine has another id or address: ${output.id}, ${output.private_ip_address}"
  }

  assert {
    condition     = azurerm_linux_virtual_machine.this.size == "Standard_D4s_v5"
    error_message = "The size is ${azurerm_linux_virtual_machine.this.size}."
  }

  assert {
    condition     = azurerm_linux_virtual_machine.this.os_disk[0].disk_size_gb == 128
    error_message = "The OS disk has ${azurerm_linux_virtual_machine.this.os_disk[0].disk_size_gb} GiB."
  }

  assert {
    condition     = output.public_ip_address == azurerm_linux_virtual_machine.this.public_ip_address
    error_message = "The public address is not the machine's: ${output.public_ip_address}"
  }

  assert {
    condition     = length(azurerm_linux_virtual_machine.this.boot_diagnostics) == 0
    error_message = "Boot diagnostics are on."
  }

  assert {
    condition     = join(" ", keys(output.data_disk_ids)) == "data logs"
    error_message = "The data disks are ${join(", ", keys(output.data_disk_ids))}."
  }

  assert {
    condition     = azurerm_managed_disk.data["data"].storage_account_type == "Premium_LRS" && azurerm_managed_disk.data["data"].network_access_policy == "DenyAll"
    error_message = "A data disk is not Premium, or is open to the network."
  }

  assert {
    condition     = azurerm_virtual_machine_data_disk_attachment.data["logs"].lun == 1 && azurerm_virtual_machine_data_disk_attachment.data["logs"].caching == "ReadOnly"
    error_message = "The disk of the logs is attached in another way."
  }

  assert {
    condition     = azurerm_managed_disk.data["logs"].tags["env"] == "test" && azurerm_network_interface.this.tags["env"] == "test"
    error_message = "Not everything has the tags."
  }
}

# Everything that replaces the machine; the public address goes.
run "replaced" {
  variables {
    subnet_id   = run.setup.subnet_id
    zone        = "2"
    custom_data = "#cloud-config\npackages: [nginx]\n"
    spot        = { max_bid_price = 0.05 }

    data_disks = {
      data = { size_gb = 128, lun = 0 }
      zrs  = { size_gb = 128, lun = 1, type = "Premium_ZRS" }
    }
  }

  assert {
    condition     = azurerm_linux_virtual_machine.this.priority == "Spot" && azurerm_linux_virtual_machine.this.eviction_policy == "Deallocate"
    error_message = "The machine is not Spot, or is deleted when evicted."
  }

  assert {
    condition     = azurerm_linux_virtual_machine.this.max_bid_price == 0.05
    error_message = "The price is ${azurerm_linux_virtual_machine.this.max_bid_price}."
  }

  assert {
    condition     = azurerm_linux_virtual_machine.this.zone == "2" && azurerm_managed_disk.data["data"].zone == "2"
    error_message = "The machine and its disk are not in zone 2."
  }

  assert {
    condition     = output.public_ip_address == null && azurerm_linux_virtual_machine.this.public_ip_address == ""
    error_message = "The machine still has a public address."
  }

  assert {
    condition     = azurerm_managed_disk.data["zrs"].zone == null || azurerm_managed_disk.data["zrs"].zone == ""
    error_message = "A zone-redundant disk is in a zone."
  }
}

run "wrong_values" {
  command = plan

  variables {
    name                = "-vm"
    resource_group_name = "/subscriptions/0/resourceGroups/rg"
    location            = "west-europe"
    subnet_id           = "app"
    size                = "D2s_v5"
    admin_username      = "root"
    ssh_public_key      = "-----BEGIN RSA PRIVATE KEY-----"
    image               = { publisher = "Canonical", offer = "", sku = "server" }
    os_disk_gb          = 16
    os_disk_type        = "Premium"
    data_disks          = { data = { size_gb = 0, lun = 0 } }
    zone                = "4"
    spot                = { eviction_policy = "Stop" }
  }

  expect_failures = [
    var.name,
    var.resource_group_name,
    var.location,
    var.subnet_id,
    var.size,
    var.admin_username,
    var.ssh_public_key,
    var.image,
    var.os_disk_gb,
    var.os_disk_type,
    var.data_disks,
    var.zone,
    var.spot,
  ]
}

run "one_lun_twice" {
  command = plan

  variables {
    subnet_id  = run.setup.subnet_id
    data_disks = { one = { size_gb = 8, lun = 0 }, two = { size_gb = 8, lun = 0 } }
  }

  expect_failures = [var.data_disks]
}

run "a_cache_that_premium_v2_lacks" {
  command = plan

  variables {
    subnet_id  = run.setup.subnet_id
    data_disks = { one = { size_gb = 8, lun = 0, type = "PremiumV2_LRS", caching = "ReadOnly" } }
  }

  expect_failures = [var.data_disks]
}
