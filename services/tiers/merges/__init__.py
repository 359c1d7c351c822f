"""Members that were merged: their scores are united by the day, and given back by what they came through."""
