"""The radio: pure machines (frame, airtime, gossip, dialects, ether) and two shells (serial_link, supervisor)."""
