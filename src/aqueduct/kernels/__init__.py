"""Compiled kernels on plain arrays, shared by several steps. No I/O, no classes."""
