"""Benchmarks: figures with their conditions, printed, never asserted in the ordinary tests."""
