"""Tests of the health record."""
