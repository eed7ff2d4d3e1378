"""The HTTP door: JSON under /api/v1, server-sent events, script-free pages; one policy per route."""
