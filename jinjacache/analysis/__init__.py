"""What can be known about a fragment from its source alone."""
