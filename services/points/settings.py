"""What the points service is told beyond what every service is."""

from typing import Annotated

from pydantic import Field

from services.chassis.settings import ServiceSettings


class PointsSettings(ServiceSettings):
    """Settings of one points process."""

    seal_after_positions: Annotated[
        int,
        Field(
            ge=0, description="At midnight a partition that has come so far since its seal is sealed; 0 means never."
        ),
    ] = 100_000
