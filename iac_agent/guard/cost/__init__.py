"""What a plan costs a month, before and after."""
