"""Measure what a fragment costs, here and in the other template caches, in one run."""
