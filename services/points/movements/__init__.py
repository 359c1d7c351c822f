"""Points that move by an operation of their own: grants, forfeits, conversions."""
