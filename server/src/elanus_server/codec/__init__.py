"""Pure functions between the protocol's messages and what elanus takes and gives."""
