"""What is done about drift: `decide` says what, `adopt` and `imports` write HCL, `reconcile` takes it through the one path to a change."""
