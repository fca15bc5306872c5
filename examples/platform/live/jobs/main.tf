module "jobs" {
  source   = "../../modules/machine"
  name     = "jobs"
  location = "westeurope"
  size     = var.size
  tags     = { team = "data" }
}

variable "size" {
  type = string
}
