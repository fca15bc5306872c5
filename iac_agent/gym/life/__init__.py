"""The life of what runs in the gym: load, metrics, boots, alerts and logs, all of it a function of seed, resource and time."""
