"""Who called what."""

from services.chassis.migrations import create_audit_tables

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Nothing was kept before."""
    create_audit_tables()
