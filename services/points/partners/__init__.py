"""Points converted to and from units of outside partners."""
