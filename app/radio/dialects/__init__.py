"""One module for each language that a radio speaks on its serial port. All are pure machines of one shape."""
