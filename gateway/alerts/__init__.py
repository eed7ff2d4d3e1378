"""Alerts: a pure state machine, its durable desk, policies and routing."""
