"""Standings: what is loaded of them, read and answered."""
