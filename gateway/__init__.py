"""The shell: loop, clock, disk and network around the pure parts."""
