# Give the rest with -backend-config too: storage_account_name is unique in the world.
container_name = "tfstate"
key            = "shop/web.tfstate"
