output "id" {
  description = "Id of the machine."
  value       = azurerm_windows_virtual_machine.this.id
}

output "name" {
  description = "Name of the machine."
  value       = azurerm_windows_virtual_machine.this.name
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
