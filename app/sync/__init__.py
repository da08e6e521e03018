"""Sync between nodes over IP and by stick: pure machines, and the shells around them."""
