"""New machines: what a wish asks for, and the ways to write it: as the repository keeps its own, as resources, or as module calls."""
