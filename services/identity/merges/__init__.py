"""Members that are found to be one person, and what undoes that."""
