"""Dense indexes alone, without a database around them: ours beside every peer library."""
