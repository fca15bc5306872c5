provider "azurerm" {
  features {}
}

variables {
  resource_group_name = "rg-test-spot-vm"
  location            = "westeurope"
  name                = "vm-spot"
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
    condition     = output.priority == "Spot"
    error_message = "The priority is ${output.priority}."
  }

  assert {
    condition     = output.eviction_policy == "Deallocate" && output.max_bid_price == -1
    error_message = "It is not deallocated when evicted, or has a price cap of ${output.max_bid_price}."
  }

  assert {
    condition     = startswith(output.private_ip_address, "10.40.1.") && output.public_ip_address == null
    error_message = "The machine is not in the subnet alone: ${output.private_ip_address}"
  }
}

run "capped" {
  variables {
    subnet_id       = run.setup.subnet_id
    eviction_policy = "Delete"
    max_bid_price   = 0.05
    data_disks      = { scratch = { size_gb = 64, type = "StandardSSD_LRS", lun = 0 } }
  }

  assert {
    condition     = output.eviction_policy == "Delete" && output.max_bid_price == 0.05
    error_message = "It is ${output.eviction_policy} at ${output.max_bid_price}."
  }

  assert {
    condition     = join(" ", keys(output.data_disk_ids)) == "scratch"
    error_message = "The data disks are ${join(", ", keys(output.data_disk_ids))}."
  }
}

run "dearer" {
  variables {
    subnet_id       = run.setup.subnet_id
    eviction_policy = "Delete"
    max_bid_price   = 0.08
  }

  assert {
    condition     = output.max_bid_price == 0.08 && output.private_ip_address == run.capped.private_ip_address
    error_message = "The price is ${output.max_bid_price}."
  }
}

run "wrong_values" {
  command = plan

  variables {
    subnet_id       = run.setup.subnet_id
    size            = "Standard_B2s"
    eviction_policy = "Stop"
    max_bid_price   = 0
  }

  expect_failures = [var.size, var.eviction_policy, var.max_bid_price]
}
