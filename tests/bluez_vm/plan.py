"""The devices in the virtual machine's room."""

from __future__ import annotations

from typing import Any

from tests.bluez_vm.names import CUFF, METER, OXIMETER, QUIET, SHOWING, STRAP

PLAN: dict[str, Any] = {
    "seed": 7,
    "advert_ms": 100,
    "rooms": [
        {
            "name": "vm",
            "devices": [
                {"id": "strap", "kind": "strap", "address": STRAP},
                {"id": "oximeter", "kind": "oximeter", "address": OXIMETER},
                {"id": "meter", "kind": "glucometer", "address": METER, "records": 40},
                {"id": "quiet", "kind": "glucometer", "address": QUIET, "records": 5, "pairing": "just_works", "on_air": False},
                {"id": "showing", "kind": "glucometer", "address": SHOWING, "records": 5, "pairing": "passkey", "on_air": False},
                {"id": "cuff", "kind": "cuff", "address": CUFF, "on_air": False},
            ],
        }
    ],
}
