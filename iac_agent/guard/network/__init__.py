"""What can reach what: a model of the planned network, and proofs over it."""
