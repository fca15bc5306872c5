output "id" {
  description = "Id of the machine."
  value       = module.machine.id
}

output "name" {
  description = "Name of the machine."
  value       = module.machine.name
}

output "private_ip_address" {
  description = "Address in the subnet."
  value       = module.machine.private_ip_address
}

output "public_ip_address" {
  description = "Public address, or null."
  value       = module.machine.public_ip_address
}

output "network_interface_id" {
  description = "Id of the network interface, for associations."
  value       = module.machine.network_interface_id
}

output "ip_configuration_name" {
  description = "Name of the interface's IP configuration, for associations."
  value       = module.machine.ip_configuration_name
}

output "data_disk_ids" {
  description = "Ids of the data disks by name."
  value       = module.machine.data_disk_ids
}

output "priority" {
  description = "Always Spot."
  value       = module.machine.priority
}

output "eviction_policy" {
  description = "What happens when Azure needs the capacity."
  value       = module.machine.eviction_policy
}

output "max_bid_price" {
  description = "The most the machine may cost an hour in US dollars; -1 is up to the regular price."
  value       = module.machine.max_bid_price
}
