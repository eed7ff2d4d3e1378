"""Where the health record goes: one file per kind of target."""
