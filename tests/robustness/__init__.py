"""A real node process, treated badly: killed, starved of disk, fed noise."""
