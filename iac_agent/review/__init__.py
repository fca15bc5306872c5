"""The pre-merge bot: a pull request in, a verdict and a comment out; one file per forge."""
