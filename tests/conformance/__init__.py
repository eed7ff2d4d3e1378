"""One suite per contract over everything that is registered."""
