"""Tracing: where points came from, and what became of them."""
