"""From a request to ranked hits."""
