"""Members that were merged: what they have and used is one member's, and goes back to whom it came from."""
