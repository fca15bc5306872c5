output "id" {
  description = "Id of the machine."
  value       = azurerm_linux_virtual_machine.this.id
}

output "name" {
  description = "Name of the machine."
  value       = azurerm_linux_virtual_machine.this.name
}

output "private_ip_address" {
  description = "Address in the subnet."
  value       = azurerm_network_interface.this.private_ip_address
}

output "public_ip_address" {
  description = "Public address, or null."
  value       = var.public_ip ? azurerm_public_ip.this[0].ip_address : null
}

output "network_interface_id" {
  description = "Id of the network interface, for associations."
  value       = azurerm_network_interface.this.id
}

output "ip_configuration_name" {
  description = "Name of the interface's IP configuration, for associations."
  value       = azurerm_network_interface.this.ip_configuration[0].name
}

output "data_disk_ids" {
  description = "Ids of the data disks by name."
  value       = { for name, disk in azurerm_managed_disk.data : name => disk.id }
}

output "priority" {
  description = "Regular or Spot."
  value       = azurerm_linux_virtual_machine.this.priority
}

output "eviction_policy" {
  description = "What happens to a Spot machine when Azure needs the capacity, or null."
  value       = var.spot == null ? null : azurerm_linux_virtual_machine.this.eviction_policy
}

output "max_bid_price" {
  description = "The most a Spot machine may cost an hour in US dollars, or null."
  value       = var.spot == null ? null : azurerm_linux_virtual_machine.this.max_bid_price
}
