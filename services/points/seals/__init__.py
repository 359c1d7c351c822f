"""Seals: what was proved, kept so that a proof can begin there and the journal before it can be archived."""
