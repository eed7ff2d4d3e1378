"""FHIR R4 (4.0.1) as plain dicts: pure maps and the rules that they are checked by."""

from gateway.ehr.fhir.render import to_fhir

__all__ = ["to_fhir"]
