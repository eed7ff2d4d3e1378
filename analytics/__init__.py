"""Arrays in, verdict arrays out: numpy and scipy only, without clock, disk or network."""
