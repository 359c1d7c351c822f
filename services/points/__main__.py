"""`python -m services.points` serves; `python -m services.points migrate` brings the database up to date."""

from services.chassis.app import main
from services.points.definition import DEFINITION

main(DEFINITION)
