"""`python -m services.tiers` serves; `python -m services.tiers migrate` migrates its database."""

from services.chassis.app import main
from services.tiers.definition import DEFINITION

if __name__ == "__main__":
    main(DEFINITION)
