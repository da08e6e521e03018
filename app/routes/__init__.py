"""HTTP: one file a resource. A route parses, calls one verb and renders; it knows no SQL and no rules."""
