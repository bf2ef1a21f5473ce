"""How a message repeats what was given, and what may have been meant."""
