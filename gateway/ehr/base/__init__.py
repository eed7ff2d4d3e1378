"""What the parts of the health record share: items, the outbox, the contract of a target, the sender."""
