"""Members that were merged: their scores are united from then on, and parted by account when that is undone."""
