"""Compositions, as values: which steps, in which order, on which units of work."""
