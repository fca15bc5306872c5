bucket       = "tfstate"
key          = "shop/web.tfstate"
region       = "eu-central-1"
use_lockfile = true
