"""Members who may be one person: what was found, and what speaks for it. What follows is decided elsewhere."""
