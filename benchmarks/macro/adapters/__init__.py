"""One file per measured system; a worker process imports the one it measures, and no other."""
