"""The write door: whatever a person changes goes through here, is allowed for this person, and is in the audit."""

from gateway.commands.door import CommandParts, Commands
from gateway.commands.refusal import Kind, Refusal

__all__ = ["CommandParts", "Commands", "Kind", "Refusal"]
