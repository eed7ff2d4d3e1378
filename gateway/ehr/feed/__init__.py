"""From the journal and the events to items of the outbox."""
