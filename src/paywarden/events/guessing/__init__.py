"""A mapping proposed from the columns of a file: names, types and values, in rules one can read."""
