"""What the books come to for those outside: what is owed to members, and every entry there is."""
