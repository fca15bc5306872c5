"""Microsoft's own clients by the application id that tokens carry: with which tool somebody did something.

Source: https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in
"""

APPLICATIONS = {
    "c44b4083-3bb0-49c1-b47d-974e53cbdf3c": "Azure Portal",
    "b677c290-cf4b-4a8e-a60e-91ba650a4abe": "Cloud Shell",
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46": "Azure CLI",
    "1950a258-227b-4e31-a9cf-717495945fc2": "Azure PowerShell",
    "aebc6443-996d-45c2-90f0-388ff96faa56": "Visual Studio Code",
    "1d78a85d-813d-46f0-b496-dd72f50a3ec0": "Azure Policy",
}
