"""Redemptions: who may use a benefit, and uses taken back."""
