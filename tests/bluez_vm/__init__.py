"""The Bluetooth door on the real BlueZ: Debian's kernel and bluetoothd in a virtual machine, its controller a simulated one on the host."""
