"""History: consumers of the journal that keep readings for years; one folder per sink, base.py is what they share."""
