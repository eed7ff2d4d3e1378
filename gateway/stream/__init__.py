"""Readings and ticks of the journal -> findings: the one place that runs analytics on what comes in."""
