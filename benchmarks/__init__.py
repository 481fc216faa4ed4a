"""How fast, how good, how large: measurements, each with the command that repeats it."""
