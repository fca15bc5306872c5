variable "oncall_webhook" {
  description = "Where alerts are delivered."
  type        = string
  default     = "http://127.0.0.1:9"
}

resource "azurerm_monitor_action_group" "oncall" {
  name                = "ag-oncall"
  resource_group_name = azurerm_resource_group.orion.name
  short_name          = "oncall"
  tags                = local.tags

  webhook_receiver {
    name                    = "pager"
    service_uri             = var.oncall_webhook
    use_common_alert_schema = true
  }
}

resource "azurerm_monitor_metric_alert" "db_cpu" {
  name                = "alert-db-cpu"
  resource_group_name = azurerm_resource_group.orion.name
  scopes              = [azurerm_linux_virtual_machine.db.id]
  description         = "The database is short of processor time."
  severity            = 1
  frequency           = "PT1M"
  window_size         = "PT5M"
  tags                = local.tags

  criteria {
    metric_namespace = "Microsoft.Compute/virtualMachines"
    metric_name      = "Percentage CPU"
    aggregation      = "Average"
    operator         = "GreaterThan"
    threshold        = 85
  }

  action {
    action_group_id = azurerm_monitor_action_group.oncall.id
  }
}
