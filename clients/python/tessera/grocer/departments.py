"""Which domain a department of the stores belongs to."""

from typing import Final

# The order of the domains is the order of a basket's activities.
DOMAINS: Final = ("grocery", "drugstore", "fuel", "travel", "restaurant", "floral-and-garden", "spirits", "other")

FUEL: Final = "fuel"
OTHER: Final = "other"

# Departments that stand here under no domain, and articles of which the data set does not know the department, are
# `other`: cosmetics, gift cards and services, coupons, toys, photo, car care and the rest.
_DEPARTMENTS: Final = {
    "grocery": (
        "GROCERY",
        "FROZEN GROCERY",
        "NUTRITION",
        "PRODUCE",
        "MEAT",
        "MEAT-PCKGD",
        "SEAFOOD",
        "SEAFOOD-PCKGD",
        "DELI",
        "PASTRY",
        "SALAD BAR",
        "CHEF SHOPPE",
    ),
    "drugstore": ("DRUG GM",),
    "fuel": ("FUEL",),
    "travel": ("TRAVEL & LEISURE",),
    "restaurant": ("RESTAURANT",),
    "floral-and-garden": ("FLORAL", "GARDEN CENTER"),
    "spirits": ("SPIRITS",),
}

_DOMAIN_OF: Final = {department: domain for domain, names in _DEPARTMENTS.items() for department in names}


def domain_of(department: str | None) -> str:
    """The domain of a department; None is the department of an article the data set does not know."""
    return _DOMAIN_OF.get(department or "", OTHER)
