resource "azurerm_virtual_network" "orion" {
  name                = "vnet-orion"
  location            = azurerm_resource_group.orion.location
  resource_group_name = azurerm_resource_group.orion.name
  address_space       = ["10.40.0.0/16"]
  tags                = local.tags
}

resource "azurerm_subnet" "apps" {
  name                 = "snet-apps"
  resource_group_name  = azurerm_resource_group.orion.name
  virtual_network_name = azurerm_virtual_network.orion.name
  address_prefixes     = ["10.40.1.0/24"]
}

resource "azurerm_subnet" "data" {
  name                 = "snet-data"
  resource_group_name  = azurerm_resource_group.orion.name
  virtual_network_name = azurerm_virtual_network.orion.name
  address_prefixes     = ["10.40.2.0/24"]
}

resource "azurerm_network_security_group" "apps" {
  name                = "nsg-apps"
  location            = azurerm_resource_group.orion.location
  resource_group_name = azurerm_resource_group.orion.name
  tags                = local.tags

  security_rule {
    name                       = "allow-https"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_port_range          = "*"
    destination_port_range     = "443"
    source_address_prefix      = "Internet"
    destination_address_prefix = "*"
  }
}

resource "azurerm_subnet_network_security_group_association" "apps" {
  subnet_id                 = azurerm_subnet.apps.id
  network_security_group_id = azurerm_network_security_group.apps.id
}

resource "azurerm_public_ip" "lb" {
  name                = "pip-lb-orion"
  location            = azurerm_resource_group.orion.location
  resource_group_name = azurerm_resource_group.orion.name
  allocation_method   = "Static"
  sku                 = "Standard"
  tags                = local.tags
}

resource "azurerm_lb" "web" {
  name                = "lb-orion"
  location            = azurerm_resource_group.orion.location
  resource_group_name = azurerm_resource_group.orion.name
  sku                 = "Standard"
  tags                = local.tags

  frontend_ip_configuration {
    name                 = "public"
    public_ip_address_id = azurerm_public_ip.lb.id
  }
}

resource "azurerm_lb_backend_address_pool" "web" {
  name            = "web"
  loadbalancer_id = azurerm_lb.web.id
}

resource "azurerm_lb_probe" "https" {
  name            = "https"
  loadbalancer_id = azurerm_lb.web.id
  port            = 443
}

resource "azurerm_lb_rule" "https" {
  name                           = "https"
  loadbalancer_id                = azurerm_lb.web.id
  protocol                       = "Tcp"
  frontend_port                  = 443
  backend_port                   = 443
  frontend_ip_configuration_name = "public"
  backend_address_pool_ids       = [azurerm_lb_backend_address_pool.web.id]
  probe_id                       = azurerm_lb_probe.https.id
}
