"""Script-free pages under /m/: what opens on any phone, in a chat client's browser and without built assets."""

from dashboards.pages.render import REFRESH_S, Pages

__all__ = ["REFRESH_S", "Pages"]
