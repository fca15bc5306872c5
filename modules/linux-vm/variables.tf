variable "name" {
  description = "Name of the machine and its host name. The other resources are named after it."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$", var.name)) && !can(regex("^[0-9]+$", var.name))
    error_message = "Write 1 to 63 letters, digits and hyphens that do not start or end with a hyphen and are not all digits, such as \"vm-app\"."
  }
}

variable "resource_group_name" {
  description = "Resource group that holds everything."
  type        = string

  validation {
    condition     = can(regex("^[\\w().-]{0,89}[\\w()-]$", var.resource_group_name))
    error_message = "Write the name of a resource group, such as \"rg-app\", not its id."
  }
}

variable "location" {
  description = "Azure region, the same as the subnet's."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9 ]+$", var.location))
    error_message = "Write an Azure region, such as \"westeurope\"."
  }
}

variable "subnet_id" {
  description = "Id of the subnet of the network interface."
  type        = string

  validation {
    condition     = can(regex("(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\\.Network/virtualNetworks/[^/]+/subnets/[^/]+$", var.subnet_id))
    error_message = "Write the whole id of a subnet, such as azurerm_subnet.app.id."
  }
}

variable "size" {
  description = "Size of the machine."
  type        = string
  default     = "Standard_D2s_v5"
  nullable    = false

  validation {
    condition     = can(regex("^(Standard|Basic)_[A-Za-z0-9_-]+$", var.size))
    error_message = "Write a VM size with its prefix, such as \"Standard_D2s_v5\"."
  }
}

variable "admin_username" {
  description = "Name of the administrator."
  type        = string
  default     = "azureuser"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z_][a-z0-9_-]{0,31}$", var.admin_username))
    error_message = "Write 1 to 32 lower-case letters, digits, hyphens and underscores, starting with a letter, such as \"azureuser\"."
  }

  validation {
    condition     = !contains(["admin", "administrator", "guest", "owner", "root", "server", "sys", "test", "user"], var.admin_username)
    error_message = "Azure does not allow this name. Write another one, such as \"azureuser\"."
  }
}

variable "ssh_public_key" {
  description = "Public SSH key of the administrator. Passwords are off."
  type        = string

  validation {
    condition     = can(regex("^(ssh-rsa|ssh-ed25519) [A-Za-z0-9+/]+=*( .*)?\\s*$", var.ssh_public_key))
    error_message = "Write a public key in OpenSSH format that starts with ssh-rsa or ssh-ed25519, such as file(\"~/.ssh/id_ed25519.pub\")."
  }
}

variable "image" {
  description = "Marketplace image. Ubuntu Server 24.04 LTS unless set."
  type = object({
    publisher = string
    offer     = string
    sku       = string
    version   = optional(string, "latest")
  })
  default = {
    publisher = "Canonical"
    offer     = "ubuntu-24_04-lts"
    sku       = "server"
  }
  nullable = false

  validation {
    condition     = alltrue([for part in values(var.image) : part == null ? false : length(part) > 0])
    error_message = "Write publisher, offer and sku, such as { publisher = \"Canonical\", offer = \"ubuntu-24_04-lts\", sku = \"server\" }."
  }
}

variable "os_disk_gb" {
  description = "Size of the OS disk in GiB. It can grow, not shrink."
  type        = number
  default     = 64
  nullable    = false

  validation {
    condition     = var.os_disk_gb >= 30 && var.os_disk_gb <= 4095 && floor(var.os_disk_gb) == var.os_disk_gb
    error_message = "Write a whole number of GiB from 30 to 4095, such as 64."
  }
}

variable "os_disk_type" {
  description = "Storage type of the OS disk."
  type        = string
  default     = "Premium_LRS"
  nullable    = false

  validation {
    condition     = contains(["Standard_LRS", "StandardSSD_LRS", "StandardSSD_ZRS", "Premium_LRS", "Premium_ZRS"], var.os_disk_type)
    error_message = "Write Standard_LRS, StandardSSD_LRS, StandardSSD_ZRS, Premium_LRS or Premium_ZRS."
  }
}

variable "data_disks" {
  description = "Data disks by name. `lun` is where the machine sees the disk; `caching` is None, ReadOnly or ReadWrite."
  type = map(object({
    size_gb = number
    type    = optional(string, "Premium_LRS")
    lun     = number
    caching = optional(string, "None")
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.data_disks) : can(regex("^[A-Za-z0-9][A-Za-z0-9_-]{0,14}$", name))])
    error_message = "Name a data disk with 1 to 15 letters, digits, hyphens and underscores, such as \"data\"."
  }

  validation {
    condition     = alltrue([for disk in values(var.data_disks) : disk.size_gb >= 1 && disk.size_gb <= 32767 && floor(disk.size_gb) == disk.size_gb])
    error_message = "Write size_gb as a whole number of GiB from 1 to 32767, such as 128."
  }

  validation {
    condition     = alltrue([for disk in values(var.data_disks) : contains(["Standard_LRS", "StandardSSD_LRS", "StandardSSD_ZRS", "Premium_LRS", "Premium_ZRS", "PremiumV2_LRS"], disk.type)])
    error_message = "Write type as Standard_LRS, StandardSSD_LRS, StandardSSD_ZRS, Premium_LRS, Premium_ZRS or PremiumV2_LRS."
  }

  validation {
    condition     = alltrue([for disk in values(var.data_disks) : disk.lun >= 0 && disk.lun <= 63 && floor(disk.lun) == disk.lun])
    error_message = "Write lun as a whole number from 0 to 63."
  }

  validation {
    condition     = length(distinct([for disk in values(var.data_disks) : disk.lun])) == length(var.data_disks)
    error_message = "Write another lun for each data disk: two have the same."
  }

  validation {
    condition     = alltrue([for disk in values(var.data_disks) : contains(["None", "ReadOnly", "ReadWrite"], disk.caching)])
    error_message = "Write caching as None, ReadOnly or ReadWrite."
  }

  validation {
    condition     = alltrue([for disk in values(var.data_disks) : disk.type != "PremiumV2_LRS" || disk.caching == "None"])
    error_message = "A PremiumV2_LRS disk has no cache: leave caching out, or write \"None\"."
  }
}

variable "public_ip" {
  description = "Whether the machine gets a public address. It answers once a network security group allows it."
  type        = bool
  default     = false
  nullable    = false
}

variable "boot_diagnostics" {
  description = "Whether Azure keeps the serial log and a screenshot, in a storage account of its own."
  type        = bool
  default     = true
  nullable    = false
}

variable "zone" {
  description = "Availability zone, or null for none. Changing it replaces the machine."
  type        = string
  default     = null

  validation {
    condition     = var.zone == null ? true : contains(["1", "2", "3"], var.zone)
    error_message = "Write \"1\", \"2\" or \"3\", or leave it out."
  }
}

variable "custom_data" {
  description = "Cloud-init, as plain text. Changing it replaces the machine."
  type        = string
  default     = null
  sensitive   = true
}

variable "trusted_launch" {
  description = "Secure boot and a virtual TPM. Turn it off for an image of generation 1."
  type        = bool
  default     = true
  nullable    = false
}

variable "encryption_at_host" {
  description = "Encrypt caches and the temporary disk too. The subscription needs the feature Microsoft.Compute/EncryptionAtHost."
  type        = bool
  default     = false
  nullable    = false
}

variable "spot" {
  description = "Makes a Spot machine. `max_bid_price` is in US dollars an hour; -1 is up to the regular price. Adding or removing it replaces the machine."
  type = object({
    eviction_policy = optional(string, "Deallocate")
    max_bid_price   = optional(number, -1)
  })
  default = null

  validation {
    condition     = var.spot == null ? true : contains(["Deallocate", "Delete"], var.spot.eviction_policy)
    error_message = "Write eviction_policy as \"Deallocate\" or \"Delete\"."
  }

  validation {
    condition     = var.spot == null ? true : var.spot.max_bid_price == -1 || var.spot.max_bid_price >= 0.00001
    error_message = "Write max_bid_price as US dollars an hour, such as 0.05, or -1 for up to the regular price."
  }
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(var.tags) <= 50
    error_message = "Write at most 50 tags."
  }
}
