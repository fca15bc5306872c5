output "public_ip_address" {
  description = "Where the load balancer answers."
  value       = azurerm_public_ip.this.ip_address
}

output "load_balancer_id" {
  description = "Id of the load balancer."
  value       = azurerm_lb.this.id
}

output "backend_pool_id" {
  description = "Id of the backend pool."
  value       = azurerm_lb_backend_address_pool.this.id
}

output "network_security_group_id" {
  description = "Id of the network security group. Its rules are all kept here: a separate azurerm_network_security_rule would be removed again."
  value       = azurerm_network_security_group.this.id
}

output "machines" {
  description = "The machines by key, as vm-group has them."
  value       = module.machines.machines
}
