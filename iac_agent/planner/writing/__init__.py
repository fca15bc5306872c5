"""How a change that is understood becomes edits: where values are written, split off, put into maps and blocks, switched, removed."""
