"""Bluetooth SIG profiles, one file each."""
