module "machine" {
  source = "../linux-vm"

  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  subnet_id           = var.subnet_id
  size                = var.size
  zone                = var.zone
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
  tags                = var.tags

  spot = {
    eviction_policy = var.eviction_policy
    max_bid_price   = var.max_bid_price
  }
}
