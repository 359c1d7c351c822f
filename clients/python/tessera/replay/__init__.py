"""Replays a recorded year against a running suite: the grocer's, day by day of the virtual clock."""
