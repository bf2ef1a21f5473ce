"""What the commands print: which part of the overview, as a table or as an object, on which terminal."""
