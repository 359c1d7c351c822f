"""Groups: members who spend what they have together."""
