"""The read door: whatever a screen shows goes through here, is allowed for this person, and is recorded as a look."""

from gateway.query.asker import Asker, Forbidden, Missing, Reach
from gateway.query.door import Parts, Query
from gateway.query.feed import Feed, FeedItem
from gateway.query.refusal import Unavailable

__all__ = ["Asker", "Feed", "FeedItem", "Forbidden", "Missing", "Parts", "Query", "Reach", "Unavailable"]
