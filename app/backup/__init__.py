"""A node in one sealed file, and back: `sealing` and `archive` read and write the format, the others touch the disk.

Spec: docs/protocol/backup.md.
"""
