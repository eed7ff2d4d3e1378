"""Telling people: the durable outbox and one file per channel."""
