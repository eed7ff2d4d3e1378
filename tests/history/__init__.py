"""History: the store, the sinks, the questions."""
