"""The product as it is installed: real processes, real brokers, real kills."""
