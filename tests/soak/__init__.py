"""The tests of tests/crash and tests/property at full count, with a printed report."""
