"""From a request to a verified change: plan in a shadow, judge, approve, write, apply, prove, record."""
