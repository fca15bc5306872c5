output "machines" {
  description = "The machines by key, each with id, name, private_ip_address, public_ip_address, network_interface_id and ip_configuration_name."
  value = {
    for key, machine in module.machine : key => {
      id                    = machine.id
      name                  = machine.name
      private_ip_address    = machine.private_ip_address
      public_ip_address     = machine.public_ip_address
      network_interface_id  = machine.network_interface_id
      ip_configuration_name = machine.ip_configuration_name
    }
  }

  # A variable's validation sees only that variable before Terraform 1.9.
  precondition {
    condition     = (var.machine_count == null) != (var.instances == null)
    error_message = "Write either machine_count, such as 3, or instances, such as { a = { zone = \"1\" }, b = { zone = \"2\" } }."
  }
}

output "private_ip_addresses" {
  description = "Addresses in the subnet by key."
  value       = { for key, machine in module.machine : key => machine.private_ip_address }
}
