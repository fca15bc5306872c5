locals {
  # Two digits, so that the names sort as the numbers do.
  numbered = { for n in range(var.machine_count == null ? 0 : var.machine_count) : format("%02d", n + 1) => { size = null, zone = null } }
  machines = var.instances == null ? local.numbered : var.instances
}

module "machine" {
  source   = "../linux-vm"
  for_each = local.machines

  name                = "${var.prefix}-${each.key}"
  resource_group_name = var.resource_group_name
  location            = var.location
  subnet_id           = var.subnet_id
  size                = each.value.size == null ? var.size : each.value.size
  zone                = each.value.zone
  admin_username      = var.admin_username
  ssh_public_key      = var.ssh_public_key
  image               = var.image
  os_disk_gb          = var.os_disk_gb
  os_disk_type        = var.os_disk_type
  data_disks          = var.data_disks
  public_ip           = var.public_ip
  boot_diagnostics    = var.boot_diagnostics
  custom_data         = var.custom_data
  trusted_launch      = var.trusted_launch
  encryption_at_host  = var.encryption_at_host
  spot                = var.spot
  tags                = var.tags
}
