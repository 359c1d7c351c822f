"""Rebuilding: what wallets are is computed from the journal alone, compared with the tables, and put right."""
