variable "name" {
  description = "What the names of all resources end in."
  type        = string
}

variable "location" {
  description = "Azure region."
  type        = string
}

variable "size" {
  description = "Size of the machine."
  type        = string
  default     = "Standard_B2s"
}

variable "tags" {
  description = "Tags of everything that has tags."
  type        = map(string)
  default     = {}
}

variable "public_key" {
  description = "The SSH key of its operator."
  type        = string
  default     = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCl48FUbuM5SYEgAj6g413qybSd8rbHazFwL/pWx+TZj7BGc1ofDqG5XwdhKgrtQpG2/GEZdMNi2OL+XKMCO6eRsWslf7xkP/0xqZFVInjwDY6x4V899X1RenR6aQNwswKAtPkPR6TTWpYiojux/89qAis/0aryF9SGSeEW35qHxQimyKhSxEMo782PnjJY0UewSFvU19oUK2Z2uygRFCwMhzMfbNCSu1Dv+rURHFEk2l1KNix7Z5pXQ6SC3hks0rbbCkd+5TuZ1gDDpyNX4uPcDYgZk5MoASay9DANKfxfS3nyNC8HyJWLKNIKjSYLTv6tA7ECsa5Jye3O4vlGBJEJ"
}
