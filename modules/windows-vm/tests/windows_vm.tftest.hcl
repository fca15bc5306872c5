provider "azurerm" {
  features {}
}

variables {
  resource_group_name = "rg-test-windows-vm"
  location            = "westeurope"
  name                = "vm-win"
  admin_password      = "correct-Horse-7"
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
    condition     = output.name == "vm-win" && azurerm_windows_virtual_machine.this.computer_name == "vm-win"
    error_message = "The machine has another name: ${output.name}"
  }

  assert {
    condition     = startswith(output.private_ip_address, "10.40.1.") && output.public_ip_address == null
    error_message = "The machine is not in the subnet alone: ${output.private_ip_address}"
  }

  assert {
    condition     = azurerm_windows_virtual_machine.this.source_image_reference[0].publisher == "MicrosoftWindowsServer"
    error_message = "The image is not a Windows Server."
  }

  assert {
    condition     = azurerm_windows_virtual_machine.this.secure_boot_enabled && azurerm_windows_virtual_machine.this.vtpm_enabled
    error_message = "Trusted launch is off."
  }

  assert {
    condition     = azurerm_windows_virtual_machine.this.os_disk[0].disk_size_gb == 128
    error_message = "The OS disk has ${azurerm_windows_virtual_machine.this.os_disk[0].disk_size_gb} GiB."
  }

  assert {
    condition     = length(azurerm_windows_virtual_machine.this.boot_diagnostics) == 1
    error_message = "Boot diagnostics are off."
  }
}

run "everything" {
  variables {
    subnet_id        = run.setup.subnet_id
    size             = "Standard_D4s_v5"
    zone             = "1"
    public_ip        = true
    boot_diagnostics = false
    image            = { publisher = "MicrosoftWindowsServer", offer = "WindowsServer", sku = "2022-datacenter-g2" }
    data_disks       = { data = { size_gb = 256, lun = 3 } }
    tags             = { env = "test" }
  }

  assert {
    condition     = azurerm_windows_virtual_machine.this.zone == "1" && azurerm_managed_disk.data["data"].zone == "1"
    error_message = "The machine and its disk are not in zone 1."
  }

  assert {
    condition     = azurerm_virtual_machine_data_disk_attachment.data["data"].lun == 3
    error_message = "The disk is attached at another lun."
  }

  assert {
    condition     = output.public_ip_address == azurerm_windows_virtual_machine.this.public_ip_address
    error_message = "The public address is not the machine's."
  }

  assert {
    condition     = azurerm_windows_virtual_machine.this.source_image_reference[0].version == "latest"
    error_message = "The version of the image is not the latest."
  }
}

run "wrong_values" {
  command = plan

  variables {
    subnet_id      = run.setup.subnet_id
    name           = "vm-with-a-long-name"
    admin_username = "Administrator"
    admin_password = "Too-short-1"
    os_disk_gb     = 16
    zone           = "west"
  }

  expect_failures = [
    var.name,
    var.admin_username,
    var.admin_password,
    var.os_disk_gb,
    var.zone,
  ]
}

run "a_simple_password" {
  command = plan

  variables {
    subnet_id      = run.setup.subnet_id
    admin_password = "onlylowercaseletters"
  }

  expect_failures = [var.admin_password]
}
