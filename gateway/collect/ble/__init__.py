"""Bluetooth Low Energy: one collector over any number of adapters, through bleak; the stack below it is chosen in `radio`."""
