locals {
  ports = {
    for name, port in var.ports : name => {
      protocol      = port.protocol
      frontend_port = port.frontend_port
      backend_port  = port.backend_port == null ? port.frontend_port : port.backend_port
    }
  }
}

resource "azurerm_public_ip" "this" {
  name                = "pip-${var.prefix}"
  resource_group_name = var.resource_group_name
  location            = var.location
  allocation_method   = "Static"
  sku                 = "Standard"
  tags                = var.tags
}

resource "azurerm_lb" "this" {
  name                = "lb-${var.prefix}"
  resource_group_name = var.resource_group_name
  location            = var.location
  sku                 = "Standard"
  tags                = var.tags

  frontend_ip_configuration {
    name                 = "public"
    public_ip_address_id = azurerm_public_ip.this.id
  }
}

resource "azurerm_lb_backend_address_pool" "this" {
  name            = "machines"
  loadbalancer_id = azurerm_lb.this.id
}

resource "azurerm_lb_probe" "this" {
  name            = "health"
  loadbalancer_id = azurerm_lb.this.id
  protocol        = var.probe.protocol
  port            = var.probe.port
  request_path    = var.probe.protocol == "Tcp" ? null : var.probe.path
}

resource "azurerm_lb_rule" "this" {
  for_each = local.ports

  name                           = each.key
  loadbalancer_id                = azurerm_lb.this.id
  frontend_ip_configuration_name = azurerm_lb.this.frontend_ip_configuration[0].name
  backend_address_pool_ids       = [azurerm_lb_backend_address_pool.this.id]
  probe_id                       = azurerm_lb_probe.this.id
  protocol                       = each.value.protocol
  frontend_port                  = each.value.frontend_port
  backend_port                   = each.value.backend_port
}

# The load balancer keeps the client's address and has changed the port by the time the rules are asked. Its probes are
# allowed by a rule that every network security group has.
resource "azurerm_network_security_group" "this" {
  name                = "nsg-${var.prefix}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  dynamic "security_rule" {
    for_each = local.ports

    content {
      name                       = "allow-${security_rule.key}"
      priority                   = 100 + 10 * index(keys(local.ports), security_rule.key)
      direction                  = "Inbound"
      access                     = "Allow"
      protocol                   = security_rule.value.protocol
      source_address_prefixes    = var.allowed_cidrs
      source_port_range          = "*"
      destination_address_prefix = "*"
      destination_port_range     = security_rule.value.backend_port
    }
  }
}

module "machines" {
  source = "../vm-group"

  prefix              = var.prefix
  machine_count       = var.machine_count
  instances           = var.instances
  resource_group_name = var.resource_group_name
  location            = var.location
  subnet_id           = var.subnet_id
  size                = var.size
  admin_username      = var.admin_username
  ssh_public_key      = var.ssh_public_key
  image               = var.image
  os_disk_gb          = var.os_disk_gb
  os_disk_type        = var.os_disk_type
  data_disks          = var.data_disks
  boot_diagnostics    = var.boot_diagnostics
  custom_data         = var.custom_data
  trusted_launch      = var.trusted_launch
  encryption_at_host  = var.encryption_at_host
  spot                = var.spot
  tags                = var.tags
}

# On the interfaces, not on the subnet, which may hold other machines.
resource "azurerm_network_interface_security_group_association" "this" {
  for_each = module.machines.machines

  network_interface_id      = each.value.network_interface_id
  network_security_group_id = azurerm_network_security_group.this.id
}

resource "azurerm_network_interface_backend_address_pool_association" "this" {
  for_each = module.machines.machines

  network_interface_id    = each.value.network_interface_id
  ip_configuration_name   = each.value.ip_configuration_name
  backend_address_pool_id = azurerm_lb_backend_address_pool.this.id
}
