# The connection string holds a password: give it in PG_CONN_STR instead.
schema_name = "shop_web"
