"""What members own: lots, holds, spends."""
