"""`make evaluate`: trains by subject split on the real recordings and prints what was reached, beside named baselines.

A module of this folder is one group of rows: `WHAT` (one line), `DATA` (names of the recordings that it needs) and
`table() -> list[Row]`, which also saves fitted coefficients with `_frame.save`. A leading underscore marks a helper.
"""
