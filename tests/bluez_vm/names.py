"""Addresses of the devices in the room."""

STRAP, OXIMETER, METER, CUFF, QUIET, SHOWING = (f"C0:00:00:00:01:{number:02X}" for number in range(1, 7))
DEVICES = {"strap": STRAP, "oximeter": OXIMETER, "meter": METER, "cuff": CUFF, "quiet": QUIET, "showing": SHOWING}
