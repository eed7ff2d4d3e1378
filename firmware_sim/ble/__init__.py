"""Bluetooth peripherals without a radio: GATT servers on Bumble, one link per room, reached through HCI; codecs of their own."""
