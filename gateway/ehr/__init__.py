"""The health record: pure maps (fhir), the consumer of both logs (feed), the outbox and its sender (base), and where it goes (targets)."""
