module "web" {
  source   = "../../modules/machine"
  name     = "web"
  location = "westeurope"
  tags     = { team = "shop" }
}
