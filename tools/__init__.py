"""Programs for working on elanus: `tools.bootstrap` sets a clone up, `tools.checks` checks it."""
