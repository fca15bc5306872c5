"""Log Analytics workspaces, action groups, diagnostic settings and autoscale settings.

Sources: recordings in golden `monitor`, `platform`; internal/services/monitor and internal/services/loganalytics of
hashicorp/terraform-provider-azurerm. azurerm 5 renamed the workspace's access flags and dropped `metric` from diagnostic settings.
"""

from __future__ import annotations

from iac_agent.azure.lenses.codecs import ENABLED, LOCATION, NOT, PLAIN_ID, STRING
from iac_agent.azure.lenses.shared import IDENTITY
from iac_agent.azure.lenses.table import (
    GROUP,
    LOCATION_ROW,
    NAME,
    NAMED,
    TAGS,
    Arm,
    Attr,
    Body,
    Hooks,
    Lens,
    Nested,
    Values,
)

INF = float("inf")
_KEYS_API = "2020-08-01"


def _expand_workspace(body: Body, values: Values, major: int) -> None:
    sku = body["properties"].setdefault("sku", {})
    sku["name"] = sku.get("name") or "PerGB2018"
    if not body["properties"].get("retentionInDays"):
        body["properties"].pop("retentionInDays", None)


def _read_keys(arm: Arm, live: Body, values: Values) -> None:
    keys = arm.post(f"{values['id']}/sharedKeys", _KEYS_API)
    values["primary_shared_key"] = keys.get("primarySharedKey", "")
    values["secondary_shared_key"] = keys.get("secondarySharedKey", "")


def _replace_workspace(prior: Values, planned: Values, major: int) -> list[tuple[str | int, ...]]:
    """A change of sku replaces, except out of LACluster and between PerGB2018 and CapacityReservation."""
    before, after = prior.get("sku"), planned.get("sku")
    swap = {before, after} == {"CapacityReservation", "PerGB2018"}
    return [("sku",)] if before not in ("", "LACluster", after) and not swap else []


def _expand_group(body: Body, values: Values, major: int) -> None:
    """A webhook says whether it signs in with Entra ID only when it does."""
    for hook, receiver in zip(body["properties"]["webhookReceivers"], values.get("webhook_receiver") or [], strict=False):
        for sign_in in receiver.get("aad_auth") or []:
            hook["useAadAuth"] = True
            hook["objectId"] = sign_in["object_id"]
            hook["identifierUri"] = sign_in.get("identifier_uri") or ""
            hook["tenantId"] = sign_in.get("tenant_id") or ""


def _flatten_group(values: Values, live: Body, known: Values, major: int) -> None:
    by_name = {h["name"]: h for h in live.get("properties", {}).get("webhookReceivers") or []}
    for receiver in values.get("webhook_receiver") or []:
        hook = by_name[receiver["name"]]
        keys = {"object_id": "objectId", "identifier_uri": "identifierUri", "tenant_id": "tenantId"}
        receiver["aad_auth"] = [{k: hook.get(a, "") for k, a in keys.items()}] if hook.get("useAadAuth") else []


def _expand_setting(body: Body, values: Values, major: int) -> None:
    """Logs and metrics are written as enabled entries; none at all is null (recorded in golden `monitor`)."""
    logs = []
    for log in values.get("enabled_log") or []:
        key = "category" if log.get("category") else "categoryGroup"
        logs.append({key: log.get("category") or log.get("category_group"), "enabled": True, **_retention(log)})
    metrics = [{"category": m["category"], "enabled": True} for m in values.get("enabled_metric") or []]
    if major == 4 and values.get("metric") and not metrics:
        metrics = [{"category": m["category"], "enabled": m.get("enabled") is not False, **_retention(m)} for m in values["metric"]]
    body.setdefault("properties", {}).update(logs=logs or None, metrics=metrics or None)


def _retention(entry: Values) -> Body:
    policy = (entry.get("retention_policy") or [None])[0]
    return {"retentionPolicy": {"days": policy.get("days") or 0, "enabled": bool(policy["enabled"])}} if policy else {}


def _retained(entry: Body) -> list[Values]:
    policy = entry.get("retentionPolicy")
    return [{"days": policy.get("days", 0), "enabled": bool(policy.get("enabled"))}] if policy else []


def _flatten_setting(values: Values, live: Body, known: Values, major: int) -> None:
    properties = live.get("properties", {})
    logs = [entry for entry in properties.get("logs") or [] if entry.get("enabled")]
    metrics = list(properties.get("metrics") or [])
    values["enabled_log"] = [
        {"category": e.get("category") or "", "category_group": e.get("categoryGroup") or "", "retention_policy": _retained(e)}
        for e in logs
    ]
    values["enabled_metric"] = [{"category": e["category"]} for e in metrics if e.get("enabled")]
    values["metric"] = [{"category": e["category"], "enabled": bool(e.get("enabled")), "retention_policy": _retained(e)} for e in metrics]


def _expand_autoscale(body: Body, values: Values, major: int) -> None:
    for notification in body["properties"]["notifications"]:
        notification["operation"] = "Scale"
    for profile in body["properties"]["profiles"]:
        if "recurrence" in profile:
            profile["recurrence"]["frequency"] = "Week"


LOG_ANALYTICS_WORKSPACE = Lens(
    "azurerm_log_analytics_workspace",
    "Microsoft.OperationalInsights/workspaces",
    {4: "2023-09-01", 5: "2025-07-01"},
    "{group}/providers/Microsoft.OperationalInsights/workspaces/{name}",
    (
        NAMED,
        GROUP,
        LOCATION_ROW,
        Attr(
            "sku",
            "properties.sku.name",
            choices=("PerGB2018", "PerNode", "Premium", "Standalone", "Standard", "CapacityReservation", "LACluster", "Unlimited"),
            send="always",
        ),
        Attr("retention_in_days", "properties.retentionInDays", between=(30, 730), send="always"),
        Attr("daily_quota_gb", "properties.workspaceCapping.dailyQuotaGb", default=-1, between=(-1, INF)),
        Attr(
            "reservation_capacity_in_gb_per_day",
            "properties.sku.capacityReservationLevel",
            choices=(100, 200, 300, 400, 500, 1000, 2000, 5000, 10000, 25000, 50000),
            read="present",
        ),
        Attr(
            "allow_resource_only_permissions",
            "properties.features.enableLogAccessUsingOnlyResourcePermissions",
            default=True,
            send="always",
        ),
        Attr("cmk_for_query_forced", "properties.forceCmkForQuery"),
        Attr("immediate_data_purge_on_30_days_enabled", "properties.features.immediatePurgeDataOn30Days"),
        Attr("data_collection_rule_id", "properties.defaultDataCollectionRuleResourceId"),
        Attr(
            "local_authentication_enabled",
            "properties.features.disableLocalAuth",
            NOT,
            default=True,
            send="always",
            read="present",
            major=5,
        ),
        Attr("local_authentication_enabled", "properties.features.disableLocalAuth", NOT, default=True, send="always", major=4),
        Attr("local_authentication_disabled", "properties.features.disableLocalAuth", major=4),
        Attr(
            "internet_ingestion_enabled",
            "properties.publicNetworkAccessForIngestion",
            ENABLED,
            default=True,
            send="always",
            major=4,
        ),
        Attr("internet_query_enabled", "properties.publicNetworkAccessForQuery", ENABLED, default=True, send="always", major=4),
        Attr(
            "internet_ingestion_access_type",
            "properties.publicNetworkAccessForIngestion",
            default="Enabled",
            choices=("Enabled", "Disabled", "SecuredByPerimeter"),
            send="always",
            major=5,
        ),
        Attr(
            "internet_query_access_type",
            "properties.publicNetworkAccessForQuery",
            default="Enabled",
            choices=("Enabled", "Disabled", "SecuredByPerimeter"),
            send="always",
            major=5,
        ),
        IDENTITY,
        Attr("workspace_id", "properties.customerId", send="never"),
        Attr("primary_shared_key", None, send="never", read="never"),
        Attr("secondary_shared_key", None, send="never", read="never"),
        TAGS,
    ),
    conflicts=(("local_authentication_enabled", "local_authentication_disabled"),),
    hooks=Hooks(expand=_expand_workspace, read_more=_read_keys, replace=_replace_workspace),
)


MONITOR_ACTION_GROUP = Lens(
    "azurerm_monitor_action_group",
    "Microsoft.Insights/actionGroups",
    {4: "2023-01-01", 5: "2023-01-01"},
    "{group}/providers/Microsoft.Insights/actionGroups/{name}",
    (
        NAME,
        GROUP,
        Attr("location", "location", LOCATION, default="global", new=True, send="always"),
        Attr("short_name", "properties.groupShortName", send="always"),
        Attr("enabled", "properties.enabled", default=True, send="always"),
        Nested(
            "email_receiver",
            "properties.emailReceivers",
            (
                Attr("name", "name", send="always"),
                Attr("email_address", "emailAddress", send="always"),
                Attr("use_common_alert_schema", "useCommonAlertSchema", send="always"),
            ),
            send="always",
        ),
        Nested(
            "itsm_receiver",
            "properties.itsmReceivers",
            (
                Attr("name", "name", send="always"),
                Attr("workspace_id", "workspaceId", send="always"),
                Attr("connection_id", "connectionId", send="always"),
                Attr("ticket_configuration", "ticketConfiguration", send="always"),
                Attr("region", "region", send="always"),
            ),
            send="always",
        ),
        Nested(
            "azure_app_push_receiver",
            "properties.azureAppPushReceivers",
            (
                Attr("name", "name", send="always"),
                Attr("email_address", "emailAddress", send="always"),
            ),
            send="always",
        ),
        Nested(
            "sms_receiver",
            "properties.smsReceivers",
            (
                Attr("name", "name", send="always"),
                Attr("country_code", "countryCode", send="always"),
                Attr("phone_number", "phoneNumber", send="always"),
            ),
            send="always",
        ),
        Nested(
            "webhook_receiver",
            "properties.webhookReceivers",
            (
                Attr("name", "name", send="always"),
                Attr("service_uri", "serviceUri", send="always"),
                Attr("use_common_alert_schema", "useCommonAlertSchema", send="always"),
                Nested("aad_auth", None, (Attr("object_id"), Attr("identifier_uri"), Attr("tenant_id")), read="never"),
            ),
            send="always",
        ),
        Nested(
            "automation_runbook_receiver",
            "properties.automationRunbookReceivers",
            (
                Attr("name", "name", send="always"),
                Attr("automation_account_id", "automationAccountId", send="always"),
                Attr("runbook_name", "runbookName", send="always"),
                Attr("webhook_resource_id", "webhookResourceId", send="always"),
                Attr("is_global_runbook", "isGlobalRunbook", send="always"),
                Attr("service_uri", "serviceUri", send="always"),
                Attr("use_common_alert_schema", "useCommonAlertSchema", default=False, send="always"),
            ),
            send="always",
        ),
        Nested(
            "voice_receiver",
            "properties.voiceReceivers",
            (
                Attr("name", "name", send="always"),
                Attr("country_code", "countryCode", send="always"),
                Attr("phone_number", "phoneNumber", send="always"),
            ),
            send="always",
        ),
        Nested(
            "logic_app_receiver",
            "properties.logicAppReceivers",
            (
                Attr("name", "name", send="always"),
                Attr("resource_id", "resourceId", send="always"),
                Attr("callback_url", "callbackUrl", send="always"),
                Attr("use_common_alert_schema", "useCommonAlertSchema", send="always"),
            ),
            send="always",
        ),
        Nested(
            "azure_function_receiver",
            "properties.azureFunctionReceivers",
            (
                Attr("name", "name", send="always"),
                Attr("function_app_resource_id", "functionAppResourceId", send="always"),
                Attr("function_name", "functionName", send="always"),
                Attr("http_trigger_url", "httpTriggerUrl", send="always"),
                Attr("use_common_alert_schema", "useCommonAlertSchema", send="always"),
            ),
            send="always",
        ),
        Nested(
            "arm_role_receiver",
            "properties.armRoleReceivers",
            (
                Attr("name", "name", send="always"),
                Attr("role_id", "roleId", send="always"),
                Attr("use_common_alert_schema", "useCommonAlertSchema", send="always"),
            ),
            send="always",
        ),
        Nested(
            "event_hub_receiver",
            "properties.eventHubReceivers",
            (
                Attr("name", "name", send="always"),
                Attr("event_hub_name", "eventHubName", send="always"),
                Attr("event_hub_namespace", "eventHubNameSpace", send="always"),
                Attr("tenant_id", "tenantId", send="always"),
                Attr("subscription_id", "subscriptionId", send="always"),
                Attr("use_common_alert_schema", "useCommonAlertSchema", send="always"),
            ),
            send="always",
        ),
        TAGS,
    ),
    hooks=Hooks(expand=_expand_group, flatten=_flatten_group),
)


MONITOR_DIAGNOSTIC_SETTING = Lens(
    "azurerm_monitor_diagnostic_setting",
    "Microsoft.Insights/diagnosticSettings",
    {4: "2021-05-01-preview", 5: "2021-05-01-preview"},
    "{target_resource_id}|{name}",
    (
        NAME,
        Attr("target_resource_id", None, PLAIN_ID, new=True, send="never"),
        Attr("eventhub_authorization_rule_id", "properties.eventHubAuthorizationRuleId"),
        Attr("eventhub_name", "properties.eventHubName"),
        Attr("log_analytics_workspace_id", "properties.workspaceId", PLAIN_ID),
        Attr("storage_account_id", "properties.storageAccountId", PLAIN_ID, read="present"),
        Attr("partner_solution_id", "properties.marketplacePartnerId", PLAIN_ID, read="present"),
        Attr("log_analytics_destination_type", "properties.logAnalyticsDestinationType", choices=("Dedicated", "AzureDiagnostics")),
        Nested(
            "enabled_log",
            None,
            (
                Attr("category", "category"),
                Attr("category_group", "categoryGroup"),
                Nested(
                    "retention_policy",
                    "retentionPolicy",
                    (
                        Attr("enabled", "enabled", send="always", major=4),
                        Attr("days", "days", between=(0, INF), send="always", major=4),
                    ),
                    single=True,
                    read="present",
                    major=4,
                ),
            ),
            send="always",
        ),
        Nested("enabled_metric", None, (Attr("category", "category", send="always"),), send="always", major=5),
        Nested("enabled_metric", None, (Attr("category", "category", send="always"),), computed=True, send="always", major=4),
        Nested(
            "metric",
            None,
            (
                Attr("category", "category", send="always", major=4),
                Attr("enabled", "enabled", default=True, send="always", major=4),
                Nested(
                    "retention_policy",
                    "retentionPolicy",
                    (
                        Attr("enabled", "enabled", send="always", major=4),
                        Attr("days", "days", between=(0, INF), send="always", major=4),
                    ),
                    single=True,
                    read="present",
                    major=4,
                ),
            ),
            computed=True,
            send="always",
            major=4,
        ),
    ),
    path="{target_resource_id}/providers/Microsoft.Insights/diagnosticSettings/{name}",
    at_least_one=(
        ("eventhub_authorization_rule_id", "log_analytics_workspace_id", "storage_account_id", "partner_solution_id"),
        ("enabled_log", "enabled_metric", "metric"),
    ),
    hooks=Hooks(expand=_expand_setting, flatten=_flatten_setting),
)


MONITOR_AUTOSCALE_SETTING = Lens(
    "azurerm_monitor_autoscale_setting",
    "Microsoft.Insights/autoScaleSettings",
    {4: "2022-10-01", 5: "2022-10-01"},
    "{group}/providers/Microsoft.Insights/autoScaleSettings/{name}",
    (
        NAME,
        GROUP,
        LOCATION_ROW,
        Attr("target_resource_id", "properties.targetResourceUri", PLAIN_ID, new=True, send="always"),
        Attr("enabled", "properties.enabled", default=True, send="always"),
        Nested(
            "predictive",
            "properties.predictiveAutoscalePolicy",
            (
                Attr("scale_mode", "scaleMode", choices=("Disabled", "Enabled", "ForecastOnly"), send="always"),
                Attr("look_ahead_time", "scaleLookAheadTime"),
            ),
            single=True,
            read="present",
        ),
        Nested(
            "profile",
            "properties.profiles",
            (
                Attr("name", "name", send="always"),
                Nested(
                    "capacity",
                    "capacity",
                    (
                        Attr("minimum", "minimum", STRING, between=(0, 1000), send="always"),
                        Attr("maximum", "maximum", STRING, between=(0, 1000), send="always"),
                        Attr("default", "default", STRING, between=(0, 1000), send="always"),
                    ),
                    single=True,
                    send="always",
                ),
                Nested(
                    "rule",
                    "rules",
                    (
                        Nested(
                            "metric_trigger",
                            "metricTrigger",
                            (
                                Attr("metric_name", "metricName", send="always"),
                                Attr("metric_resource_id", "metricResourceUri", PLAIN_ID, send="always"),
                                Attr("time_grain", "timeGrain", send="always"),
                                Attr("statistic", "statistic", choices=("Average", "Max", "Min", "Sum"), send="always"),
                                Attr("time_window", "timeWindow", send="always"),
                                Attr(
                                    "time_aggregation",
                                    "timeAggregation",
                                    choices=("Average", "Count", "Maximum", "Minimum", "Total", "Last"),
                                    send="always",
                                ),
                                Attr(
                                    "operator",
                                    "operator",
                                    choices=(
                                        "Equals",
                                        "GreaterThan",
                                        "GreaterThanOrEqual",
                                        "LessThan",
                                        "LessThanOrEqual",
                                        "NotEquals",
                                    ),
                                    send="always",
                                ),
                                Attr("threshold", "threshold", send="always"),
                                Attr("metric_namespace", "metricNamespace", send="always"),
                                Attr("divide_by_instance_count", "dividePerInstance", send="always"),
                                Nested(
                                    "dimensions",
                                    "dimensions",
                                    (
                                        Attr("name", "DimensionName", send="always"),
                                        Attr("operator", "Operator", choices=("Equals", "NotEquals"), send="always"),
                                        Attr("values", "Values", send="always"),
                                    ),
                                    send="always",
                                ),
                            ),
                            single=True,
                            send="always",
                        ),
                        Nested(
                            "scale_action",
                            "scaleAction",
                            (
                                Attr("direction", "direction", choices=("Decrease", "Increase"), send="always"),
                                Attr(
                                    "type",
                                    "type",
                                    choices=("ChangeCount", "ExactCount", "PercentChangeCount", "ServiceAllowedNextValue"),
                                    send="always",
                                ),
                                Attr("value", "value", STRING, between=(0, INF), send="always"),
                                Attr("cooldown", "cooldown", send="always"),
                            ),
                            single=True,
                            send="always",
                        ),
                    ),
                    send="always",
                ),
                Nested(
                    "fixed_date",
                    "fixedDate",
                    (
                        Attr("timezone", "timeZone", default="UTC", send="always"),
                        Attr("start", "start", send="always"),
                        Attr("end", "end", send="always"),
                    ),
                    single=True,
                    read="present",
                ),
                Nested(
                    "recurrence",
                    "recurrence.schedule",
                    (
                        Attr("timezone", "timeZone", default="UTC", send="always"),
                        Attr(
                            "days",
                            "days",
                            choices=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
                            send="always",
                        ),
                        Attr("hours", "hours", between=(0, 23), send="always"),
                        Attr("minutes", "minutes", between=(0, 59), send="always"),
                    ),
                    single=True,
                    read="present",
                ),
            ),
            send="always",
        ),
        Nested(
            "notification",
            "properties.notifications",
            (
                Nested(
                    "email",
                    "email",
                    (
                        Attr("send_to_subscription_administrator", "sendToSubscriptionAdministrator", default=False, send="always"),
                        Attr(
                            "send_to_subscription_co_administrator",
                            "sendToSubscriptionCoAdministrators",
                            default=False,
                            send="always",
                        ),
                        Attr("custom_emails", "customEmails", send="always"),
                    ),
                    single=True,
                    read="present",
                ),
                Nested(
                    "webhook",
                    "webhooks",
                    (
                        Attr("service_uri", "serviceUri", send="always"),
                        Attr("properties", "properties", send="always"),
                    ),
                    send="always",
                ),
            ),
            send="always",
        ),
        TAGS,
    ),
    hooks=Hooks(expand=_expand_autoscale),
)


LENSES = (LOG_ANALYTICS_WORKSPACE, MONITOR_ACTION_GROUP, MONITOR_DIAGNOSTIC_SETTING, MONITOR_AUTOSCALE_SETTING)
