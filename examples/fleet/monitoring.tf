resource "azurerm_monitor_action_group" "oncall" {
  name                = "ag-oncall"
  resource_group_name = azurerm_resource_group.fleet.name
  short_name          = "oncall"
  tags                = var.tags

  webhook_receiver {
    name                    = "pager"
    service_uri             = var.pager_url
    use_common_alert_schema = true
  }
}

resource "azurerm_monitor_metric_alert" "db_cpu" {
  name                = "alert-db-cpu"
  resource_group_name = azurerm_resource_group.fleet.name
  scopes              = [azurerm_linux_virtual_machine.machine["db"].id]
  description         = "The database is short of processor time."
  severity            = 1
  frequency           = "PT1M"
  window_size         = "PT5M"
  tags                = var.tags

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
