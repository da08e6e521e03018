"""Radios, byte for byte as their firmware speaks on the serial port, on the simulated ether.

Each has the surface of `app.radio.modem.Modem`, so that a `Field` can hold all kinds side by side, and writes down
in `violations` what a host says wrong. `start` is what the firmware does at power-on.
"""
