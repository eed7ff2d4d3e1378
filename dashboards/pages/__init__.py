"""Script-free pages under /m/: what opens on any phone, in a chat client's browser and without built assets."""

from dashboards.pages.render import Pages

__all__ = ["Pages"]
