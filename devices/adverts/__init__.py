"""Connectionless advertisement formats, one file each."""
