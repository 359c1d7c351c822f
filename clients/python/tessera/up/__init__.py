"""Starts a whole suite on one machine: PostgreSQL, four databases, four services. Needs the extra `tessera[up]`.

The only part of the SDK that uses what servers depend on, and only when a suite is started. The services themselves run
from the checkout, as processes of their own.
"""
