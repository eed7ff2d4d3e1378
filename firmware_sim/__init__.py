"""The ward as a simulator: people, incidents with truth labels, devices at the gateway's real doors; imports nothing of the product."""
