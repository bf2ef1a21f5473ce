"""How a message says what was given, what was expected, and what may have been meant."""
