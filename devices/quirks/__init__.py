"""Vendor deviations, one file each, declared as data."""
