"""How the device itself is doing: its heat, and what systemd and the journal are told."""
