"""TNTN, The Novus Trade Network: one node. The house is drawn in docs/architecture.md."""
