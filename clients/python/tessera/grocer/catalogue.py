"""What the data set knows of the articles."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tessera.grocer.departments import DOMAINS, domain_of
from tessera.grocer.source import Numbers, Table


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The articles by number, and per article its domain (a place in DOMAINS), category and manufacturer.

    The last place of those three, `unknown`, stands for every article that is not in the catalogue.
    """

    articles: Numbers
    domains: Numbers
    categories: list[str]
    merchants: list[str]

    @property
    def unknown(self) -> int:
        return len(self.articles)

    def places(self, articles: Numbers) -> Numbers:
        """Where each of the articles stands in the catalogue."""
        places = np.searchsorted(self.articles, articles)
        found = self.articles[np.minimum(places, self.unknown - 1)] == articles
        return np.where(found, places, self.unknown)


def read_catalogue(folder: Path) -> Catalogue:
    """Reads the catalogue, in which some articles have no category."""
    table = Table(folder, "products", ["product_id", "manufacturer_id", "department", "product_category"])
    articles = table.numbers("product_id")
    order = np.argsort(articles, kind="stable")
    rows = order.tolist()
    departments, categories = table.texts("department"), table.texts("product_category")
    manufacturers = table.numbers("manufacturer_id")[order].tolist()
    place_of = {name: DOMAINS.index(domain_of(name)) for name in {*departments, None}}
    return Catalogue(
        articles=articles[order],
        domains=np.array([*(place_of[departments[row]] for row in rows), place_of[None]], dtype=np.int64),
        categories=[*(categories[row] or "" for row in rows), ""],
        merchants=[*(f"m{manufacturer}" for manufacturer in manufacturers), ""],
    )
