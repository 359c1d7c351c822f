"""Earn budgets: what rules may give together, leased to partitions in portions."""
