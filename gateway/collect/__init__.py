"""Collectors: the doors through which frames come in, one file each."""
