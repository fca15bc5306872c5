"""The telemetry shim on the Azure Monitor SDKs: what runs, how it is, what happened. It reads; it never changes anything."""
