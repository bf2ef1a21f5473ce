"""The parts of an error message: what was given, what was expected, and what may have been meant."""
