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
  description = "Size of the machine. Sizes of the B series cannot be Spot."
  type        = string
  default     = "Standard_D2s_v5"
  nullable    = false

  validation {
    condition     = can(regex("^Standard_[AC-Z][A-Za-z0-9_-]*$", var.size))
    error_message = "Write a VM size with its prefix that is not of the B series, such as \"Standard_D2s_v5\"."
  }
}

variable "eviction_policy" {
  description = "What happens when Azure needs the capacity: Deallocate keeps the disks, Delete removes the machine and its OS disk."
  type        = string
  default     = "Deallocate"
  nullable    = false

  validation {
    condition     = contains(["Deallocate", "Delete"], var.eviction_policy)
    error_message = "Write \"Deallocate\" or \"Delete\"."
  }
}

variable "max_bid_price" {
  description = "The most to pay, in US dollars an hour. -1 is up to the regular price, so that a price alone never evicts."
  type        = number
  default     = -1
  nullable    = false

  validation {
    condition     = var.max_bid_price == -1 || var.max_bid_price >= 0.00001
    error_message = "Write US dollars an hour, such as 0.05, or -1 for up to the regular price."
  }
}

# From here on, null takes the default of linux-vm, which also validates the values.
variable "admin_username" {
  description = "Name of the administrator."
  type        = string
  default     = null
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
  default = null
}

variable "os_disk_gb" {
  description = "Size of the OS disk in GiB. It can grow, not shrink."
  type        = number
  default     = null
}

variable "os_disk_type" {
  description = "Storage type of the OS disk."
  type        = string
  default     = "StandardSSD_LRS"
}

variable "data_disks" {
  description = "Data disks by name. `lun` is where the machine sees the disk; `caching` is None, ReadOnly or ReadWrite."
  type = map(object({
    size_gb = number
    type    = optional(string, "Premium_LRS")
    lun     = number
    caching = optional(string, "None")
  }))
  default = null
}

variable "public_ip" {
  description = "Whether the machine gets a public address. It answers once a network security group allows it."
  type        = bool
  default     = null
}

variable "boot_diagnostics" {
  description = "Whether Azure keeps the serial log and a screenshot, in a storage account of its own."
  type        = bool
  default     = null
}

variable "zone" {
  description = "Availability zone, or null for none. Changing it replaces the machine."
  type        = string
  default     = null
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
  default     = null
}

variable "encryption_at_host" {
  description = "Encrypt caches and the temporary disk too. The subscription needs the feature Microsoft.Compute/EncryptionAtHost."
  type        = bool
  default     = null
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
