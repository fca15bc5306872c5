"""The command line: the only place that chooses concrete planners, runners and clients."""
