"""Sync between nodes over IP and by stick. Pure: log, message, reconcile, session, fetching, bundle; the rest are shells."""
