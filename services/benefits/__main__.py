"""`python -m services.benefits` serves; `python -m services.benefits migrate` migrates its database."""

from services.benefits.definition import DEFINITION
from services.chassis.app import main

if __name__ == "__main__":
    main(DEFINITION)
