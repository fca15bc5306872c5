variable "location" {
  description = "The region of everything here."
  type        = string
  default     = "westeurope"
}

variable "tags" {
  description = "Tags of everything here."
  type        = map(string)
  default     = { project = "fleet", env = "prod" }
}

variable "machines" {
  description = "The machines by their name, each with its size."
  type        = map(object({ size = string }))
  default = {
    web    = { size = "Standard_D2s_v5" }
    db     = { size = "Standard_E4s_v5" }
    worker = { size = "Standard_D2s_v5" }
  }
}

variable "ssh_public_key" {
  description = "The key that may log in."
  type        = string
  default     = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl azureuser@example"
}

variable "pager_url" {
  description = "Where alerts are delivered."
  type        = string
  default     = "http://127.0.0.1:9/pager"
}
