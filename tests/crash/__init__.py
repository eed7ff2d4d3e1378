"""Processes that are killed, frozen or starved; disks that are full or lose power."""
