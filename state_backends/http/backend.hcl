# The gym's own server, at the address `iacagent gym status` tells. User and password: TF_HTTP_USERNAME, TF_HTTP_PASSWORD.
address        = "https://localhost:8443/state/shop-web"
lock_address   = "https://localhost:8443/state/shop-web"
unlock_address = "https://localhost:8443/state/shop-web"
