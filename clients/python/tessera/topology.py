"""The four services, and which of them follow which others' feeds."""

from typing import Final

SERVICES: Final = ("identity", "points", "tiers", "benefits")

FOLLOWS: Final = {
    "identity": frozenset[str](),
    "points": frozenset({"identity", "tiers"}),
    "tiers": frozenset({"identity", "points", "benefits"}),
    "benefits": frozenset({"identity", "points", "tiers"}),
}
"""For each service the services whose facts reach it. Positions of others do not concern it."""
