variable "prefix" {
  description = "Start of the machines' names; the key follows it, as in \"vm-app-01\"."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]{0,39}$", var.prefix)) && !endswith(var.prefix, "-")
    error_message = "Write 1 to 40 letters, digits and hyphens that do not start or end with a hyphen, such as \"vm-app\"."
  }
}

variable "machine_count" {
  description = "How many machines, with the keys 01, 02 and so on. Either this or `instances`."
  type        = number
  default     = null

  validation {
    condition     = var.machine_count == null ? true : var.machine_count >= 0 && var.machine_count <= 99 && floor(var.machine_count) == var.machine_count
    error_message = "Write a whole number from 0 to 99."
  }
}

variable "instances" {
  description = "The machines by key, each with its own size or zone where it differs. Either this or `machine_count`."
  type = map(object({
    size = optional(string)
    zone = optional(string)
  }))
  default = null

  validation {
    condition     = var.instances == null ? true : alltrue([for key in keys(var.instances) : can(regex("^[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?$", key))])
    error_message = "Write keys of 1 to 22 letters, digits and hyphens that do not start or end with a hyphen, such as \"a\"."
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

# From here on, null takes the default of linux-vm, which also validates the values.
variable "size" {
  description = "Size of the machines that `instances` gives none."
  type        = string
  default     = null
}

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
  default     = null
}

variable "data_disks" {
  description = "Data disks of each machine by name."
  type = map(object({
    size_gb = number
    type    = optional(string, "Premium_LRS")
    lun     = number
    caching = optional(string, "None")
  }))
  default = null
}

variable "public_ip" {
  description = "Whether each machine gets a public address."
  type        = bool
  default     = null
}

variable "boot_diagnostics" {
  description = "Whether Azure keeps the serial log and a screenshot, in a storage account of its own."
  type        = bool
  default     = null
}

variable "custom_data" {
  description = "Cloud-init of each machine, as plain text. Changing it replaces them."
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

variable "spot" {
  description = "Makes Spot machines, as in linux-vm. Adding or removing it replaces them."
  type = object({
    eviction_policy = optional(string, "Deallocate")
    max_bid_price   = optional(number, -1)
  })
  default = null
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
