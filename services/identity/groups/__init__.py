"""Groups of members: households, families, enterprises."""
