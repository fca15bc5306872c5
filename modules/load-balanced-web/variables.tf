variable "prefix" {
  description = "Start of every name. The machines are named as in \"shop-01\"."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]{0,39}$", var.prefix)) && !endswith(var.prefix, "-")
    error_message = "Write 1 to 40 letters, digits and hyphens that do not start or end with a hyphen, such as \"shop\"."
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

variable "ports" {
  description = "What the load balancer forwards, by name. `backend_port` is the frontend's unless set; `protocol` is Tcp or Udp."
  type = map(object({
    frontend_port = number
    backend_port  = optional(number)
    protocol      = optional(string, "Tcp")
  }))

  validation {
    condition     = length(var.ports) > 0 && alltrue([for name in keys(var.ports) : can(regex("^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$", name))])
    error_message = "Write at least one port, named with lower-case letters, digits and hyphens, such as { https = { frontend_port = 443 } }."
  }

  validation {
    condition = alltrue([
      for port in values(var.ports) : alltrue([
        for number in [port.frontend_port, port.backend_port == null ? port.frontend_port : port.backend_port] :
        number >= 1 && number <= 65534 && floor(number) == number
      ])
    ])
    error_message = "Write ports as whole numbers from 1 to 65534, such as 443."
  }

  validation {
    condition     = alltrue([for port in values(var.ports) : contains(["Tcp", "Udp"], port.protocol)])
    error_message = "Write protocol as \"Tcp\" or \"Udp\"."
  }

  validation {
    condition     = length(distinct([for port in values(var.ports) : "${port.protocol} ${port.frontend_port}"])) == length(var.ports)
    error_message = "Write another frontend_port for each entry: two of one protocol have the same."
  }

  validation {
    condition = length(distinct([
      for port in values(var.ports) : "${port.protocol} ${port.backend_port == null ? port.frontend_port : port.backend_port}"
    ])) == length(var.ports)
    error_message = "Write another backend_port for each entry: two of one protocol have the same."
  }
}

variable "probe" {
  description = "How the load balancer asks a machine whether it is well. `path` is for Http and Https."
  type = object({
    port     = number
    protocol = optional(string, "Http")
    path     = optional(string, "/")
  })

  validation {
    condition     = var.probe.port >= 1 && var.probe.port <= 65535 && floor(var.probe.port) == var.probe.port
    error_message = "Write port as a whole number from 1 to 65535, such as 80."
  }

  validation {
    condition     = contains(["Http", "Https", "Tcp"], var.probe.protocol)
    error_message = "Write protocol as \"Http\", \"Https\" or \"Tcp\"."
  }

  validation {
    condition     = startswith(var.probe.path, "/")
    error_message = "Write path with a slash at its start, such as \"/healthz\"."
  }
}

variable "allowed_cidrs" {
  description = "From where the ports are open. Everywhere unless set."
  type        = list(string)
  default     = ["0.0.0.0/0"]
  nullable    = false

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrnetmask(cidr))])
    error_message = "Write IPv4 ranges, such as [\"203.0.113.0/24\"]."
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
