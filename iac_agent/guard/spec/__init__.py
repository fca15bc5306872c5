"""Policies in plain words, as specifications that are read back, accepted by a person, and then in force."""
