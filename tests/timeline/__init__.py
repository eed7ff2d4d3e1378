"""Alerts over time, on a fake clock."""
