"""What a person has agreed to, what is held on a member, and how a member is erased."""
