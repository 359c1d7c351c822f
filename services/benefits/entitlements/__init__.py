"""Entitlements: how they are issued, and how they end."""
