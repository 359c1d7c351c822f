"""Who called what."""

from services.chassis.migrations import create_audit_tables

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Nothing was kept before."""
    create_audit_tables()
