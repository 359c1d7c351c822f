"""The books: entries, sums, proof."""
