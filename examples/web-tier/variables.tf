variable "prefix" {
  description = "Start of every name."
  type        = string
  default     = "shop"
}

variable "location" {
  description = "Azure region."
  type        = string
  default     = "westeurope"
}

variable "admin_cidr" {
  description = "From where SSH is allowed."
  type        = string
  default     = "203.0.113.0/24"
}

variable "ssh_public_key" {
  description = "Public key of the administrator."
  type        = string
  default     = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGV4YW1wbGVleGFtcGxlZXhhbXBsZWV4YW1wbGVleGFt ops@example.com"
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default = {
    env   = "prod"
    owner = "web"
  }
}
