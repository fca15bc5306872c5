"""Kusto queries as Resource Graph and Log Analytics take them: parsed in `parse`, run over rows in memory in `run`.

Source: https://learn.microsoft.com/azure/governance/resource-graph/concepts/query-language (the supported operators).
"""
