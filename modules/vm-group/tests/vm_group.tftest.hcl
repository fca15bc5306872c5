provider "azurerm" {
  features {}
}

variables {
  resource_group_name = "rg-test-vm-group"
  location            = "westeurope"
  prefix              = "vm-app"
  ssh_public_key      = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCl48FUbuM5SYEgAj6g413qybSd8rbHazFwL/pWx+TZj7BGc1ofDqG5XwdhKgrtQpG2/GEZdMNi2OL+XKMCO6eRsWslf7xkP/0xqZFVInjwDY6x4V899X1RenR6aQNwswKAtPkPR6TTWpYiojux/89qAis/0aryF9SGSeEW35qHxQimyKhSxEMo782PnjJY0UewSFvU19oUK2Z2uygRFCwMhzMfbNCSu1Dv+rURHFEk2l1KNix7Z5pXQ6SC3hks0rbbCkd+5TuZ1gDDpyNX4uPcDYgZk5MoASay9DANKfxfS3nyNC8HyJWLKNIKjSYLTv6tA7ECsa5Jye3O4vlGBJEJ test"
}

run "setup" {
  module {
    source = "../tests/network"
  }
}

run "counted" {
  variables {
    subnet_id     = run.setup.subnet_id
    machine_count = 2
  }

  assert {
    condition     = [for machine in output.machines : machine.name] == ["vm-app-01", "vm-app-02"]
    error_message = "The machines are ${join(", ", [for machine in output.machines : machine.name])}."
  }

  assert {
    condition     = length(distinct(values(output.private_ip_addresses))) == 2
    error_message = "Two machines have one address."
  }
}

# Another number leaves those alone that stay.
run "one_more" {
  variables {
    subnet_id     = run.setup.subnet_id
    machine_count = 3
  }

  assert {
    condition     = join(" ", keys(output.machines)) == "01 02 03"
    error_message = "The keys are ${join(", ", keys(output.machines))}."
  }

  assert {
    condition     = output.private_ip_addresses["01"] == run.counted.private_ip_addresses["01"]
    error_message = "The first machine has another address."
  }
}

run "named" {
  variables {
    subnet_id  = run.setup.subnet_id
    instances  = { a = { zone = "1" }, b = { zone = "2", size = "Standard_D4s_v5" } }
    data_disks = { data = { size_gb = 64, lun = 0 } }
    public_ip  = true
  }

  assert {
    condition     = output.machines["b"].name == "vm-app-b" && length(output.machines) == 2
    error_message = "The machine b is ${output.machines["b"].name}."
  }

  assert {
    condition     = output.machines["a"].public_ip_address != output.machines["b"].public_ip_address
    error_message = "Two machines have one public address."
  }
}

run "neither" {
  command = plan

  variables {
    subnet_id = run.setup.subnet_id
  }

  expect_failures = [output.machines]
}

run "both" {
  command = plan

  variables {
    subnet_id     = run.setup.subnet_id
    machine_count = 1
    instances     = { a = {} }
  }

  expect_failures = [output.machines]
}

run "wrong_values" {
  command = plan

  variables {
    subnet_id     = run.setup.subnet_id
    prefix        = "vm-app-"
    machine_count = 1.5
    instances     = { "a b" = {} }
  }

  expect_failures = [var.prefix, var.machine_count, var.instances]
}
