"""Wallets corrected by hand, by one or by two callers."""
