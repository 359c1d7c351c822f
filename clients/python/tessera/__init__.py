"""Tessera's SDK: one client for identity, points, tiers and benefits.

    async with tessera.connect() as client:
        reply = await client.identity.ResolveAccount(ResolveAccountRequest(domain="fuel", external_id="4711"))

What stands here is loaded when it is first used, so that the contracts alone cost nothing more.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tessera.bulk import failures, outcomes
    from tessera.client import Client, connect
    from tessera.errors import Error, Violation
    from tessera.step import Step, drain

__all__ = ["Client", "Error", "Step", "Violation", "connect", "drain", "failures", "outcomes"]

_HOMES = {
    "Client": "client",
    "Error": "errors",
    "Step": "step",
    "Violation": "errors",
    "connect": "client",
    "drain": "step",
    "failures": "bulk",
    "outcomes": "bulk",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
