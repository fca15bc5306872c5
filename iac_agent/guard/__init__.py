"""What stands between every plan and the cloud: the static gate, the verdict, and approvals. No model can change its rules."""
