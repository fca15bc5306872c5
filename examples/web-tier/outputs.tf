output "public_ip_address" {
  description = "Where the shop answers."
  value       = azurerm_public_ip.web.ip_address
}

output "vm_id" {
  description = "The machine."
  value       = azurerm_linux_virtual_machine.web.id
}
