"""Organisation, places, residents, staff, rota, devices, bindings, limits, consents, credentials and accounts."""

from gateway.registry.errors import ConflictError, NotFoundError, RegistryError
from gateway.registry.registry import Registry
from gateway.registry.view import RegistryView

__all__ = ["ConflictError", "NotFoundError", "Registry", "RegistryError", "RegistryView"]
