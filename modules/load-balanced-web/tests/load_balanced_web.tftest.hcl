provider "azurerm" {
  features {}
}

variables {
  resource_group_name = "rg-test-load-balanced-web"
  location            = "westeurope"
  prefix              = "shop"
  ssh_public_key      = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCl48FUbuM5SYEgAj6g413qybSd8rbHazFwL/pWx+TZj7BGc1ofDqG5XwdhKgrtQpG2/GEZdMNi2OL+XKMCO6eRsWslf7xkP/0xqZFVInjwDY6x4V899X1RenR6aQNwswKAtPkPR6TTWpYiojux/89qAis/0aryF9SGSeEW35qHxQimyKhSxEMo782PnjJY0UewSFvU19oUK2Z2uygRFCwMhzMfbNCSu1Dv+rURHFEk2l1KNix7Z5pXQ6SC3hks0rbbCkd+5TuZ1gDDpyNX4uPcDYgZk5MoASay9DANKfxfS3nyNC8HyJWLKNIKjSYLTv6tA7ECsa5Jye3O4vlGBJEJ test"
  machine_count       = 2
  ports               = { http = { frontend_port = 80 }, https = { frontend_port = 443, backend_port = 8443 } }
  probe               = { port = 80, path = "/healthz" }
}

run "setup" {
  module {
    source = "../tests/network"
  }
}

run "web" {
  variables {
    subnet_id = run.setup.subnet_id
  }

  assert {
    condition     = output.public_ip_address != "" && azurerm_lb.this.frontend_ip_configuration[0].public_ip_address_id == azurerm_public_ip.this.id
    error_message = "The load balancer is not at the public address."
  }

  assert {
    condition     = azurerm_lb_rule.this["http"].backend_port == 80 && azurerm_lb_rule.this["https"].backend_port == 8443
    error_message = "A rule forwards to another port."
  }

  assert {
    condition     = azurerm_lb_rule.this["https"].probe_id == azurerm_lb_probe.this.id
    error_message = "A rule has no probe."
  }

  assert {
    condition     = azurerm_lb_probe.this.protocol == "Http" && azurerm_lb_probe.this.request_path == "/healthz"
    error_message = "The probe asks for ${azurerm_lb_probe.this.request_path}."
  }

  assert {
    condition     = toset([for rule in azurerm_network_security_group.this.security_rule : rule.destination_port_range]) == toset(["80", "8443"])
    error_message = "The security group allows other ports."
  }

  assert {
    condition     = length(azurerm_network_interface_backend_address_pool_association.this) == 2 && length(azurerm_network_interface_security_group_association.this) == 2
    error_message = "Not every machine is in the pool and behind the security group."
  }

  assert {
    condition     = alltrue([for machine in output.machines : machine.public_ip_address == null])
    error_message = "A machine has a public address of its own."
  }
}

run "fewer_ports_more_machines" {
  variables {
    subnet_id     = run.setup.subnet_id
    machine_count = 3
    ports         = { https = { frontend_port = 443 } }
    probe         = { port = 443, protocol = "Tcp" }
    allowed_cidrs = ["203.0.113.0/24", "198.51.100.0/24"]
  }

  assert {
    condition     = output.public_ip_address == run.web.public_ip_address
    error_message = "The address has changed."
  }

  assert {
    condition     = join(" ", keys(azurerm_lb_rule.this)) == "https" && length(azurerm_network_security_group.this.security_rule) == 1
    error_message = "A port that was taken away is still open."
  }

  assert {
    condition     = one(azurerm_network_security_group.this.security_rule).source_address_prefixes == toset(["203.0.113.0/24", "198.51.100.0/24"])
    error_message = "The port is open to others."
  }

  assert {
    condition     = azurerm_lb_probe.this.protocol == "Tcp" && length(azurerm_network_interface_backend_address_pool_association.this) == 3
    error_message = "The probe is not Tcp, or the third machine is not in the pool."
  }
}

run "wrong_values" {
  command = plan

  variables {
    subnet_id     = run.setup.subnet_id
    prefix        = "shop_"
    ports         = { http = { frontend_port = 70000 } }
    probe         = { port = 80, protocol = "Icmp" }
    allowed_cidrs = ["Internet"]
  }

  expect_failures = [var.prefix, var.ports, var.probe, var.allowed_cidrs]
}

run "one_backend_port_twice" {
  command = plan

  variables {
    subnet_id = run.setup.subnet_id
    ports     = { http = { frontend_port = 80 }, alt = { frontend_port = 8080, backend_port = 80 } }
  }

  expect_failures = [var.ports]
}
