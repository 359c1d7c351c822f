"""`python -m services.identity` serves; `python -m services.identity migrate` migrates its database."""

from services.chassis.app import main
from services.identity.definition import DEFINITION

if __name__ == "__main__":
    main(DEFINITION)
