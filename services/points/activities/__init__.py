"""What members did, and what it earned."""
