"""Case folders: one per format, device model or bug."""
