"""Bluetooth without a radio: real stacks on both sides of a simulated link."""
