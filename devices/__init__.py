"""Bytes of devices to values in canonical units: pure, without clock, input/output or logging."""
