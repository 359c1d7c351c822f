"""Campaigns with their coupons and households, and the redemptions of the coupons."""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from tessera.grocer.catalogue import Catalogue
from tessera.grocer.departments import DOMAINS
from tessera.grocer.source import Numbers, Table
from tessera.grocer.year import Campaign, Redemption

Wanted = Callable[[int], bool]


def read_campaigns(folder: Path, wanted: Wanted) -> list[Campaign]:
    """Every campaign, in order of its first day, with those of its households that are wanted."""
    households = _grouped(Table(folder, "campaigns", ["campaign_id", "household_id"]), "household_id")
    coupons = _grouped(Table(folder, "coupons", ["campaign_id", "coupon_upc"]), "coupon_upc")
    table = Table(folder, "campaign_descriptions", ["campaign_id", "campaign_type", "start_date", "end_date"])
    rows = zip(
        table.numbers("campaign_id").tolist(),
        table.texts("campaign_type"),
        _days(table.seconds("start_date")),
        _days(table.seconds("end_date")),
        strict=True,
    )
    campaigns = [
        Campaign(
            code=_code(number),
            kind=(kind or "").removeprefix("Type ").lower(),
            first_day=first_day,
            last_day=last_day,
            households=tuple(filter(wanted, households[number])),
            coupons=tuple(map(str, coupons[number])),
        )
        for number, kind, first_day, last_day in rows
    ]
    return sorted(campaigns, key=lambda campaign: (campaign.first_day, campaign.code))


def read_redemptions(
    folder: Path, catalogue: Catalogue, wanted: Wanted, first_day: date, last_day: date
) -> list[Redemption]:
    """What wanted households redeemed from the first day to the last inclusive, by day, household, campaign, coupon."""
    table = Table(folder, "coupon_redemptions", ["household_id", "campaign_id", "coupon_upc", "redemption_date"])
    rows = zip(
        _days(table.seconds("redemption_date")),
        table.numbers("household_id").tolist(),
        table.numbers("campaign_id").tolist(),
        table.numbers("coupon_upc").tolist(),
        strict=True,
    )
    domain_of = _domains_of_coupons(folder, catalogue)
    return [
        Redemption(household, domain_of[campaign, coupon], _code(campaign), str(coupon), day)
        for day, household, campaign, coupon in sorted(rows)
        if first_day <= day <= last_day and wanted(household)
    ]


def _domains_of_coupons(folder: Path, catalogue: Catalogue) -> dict[tuple[int, int], str]:
    """For each campaign and coupon the domain of most of its articles; of several, the first in DOMAINS."""
    table = Table(folder, "coupons", ["campaign_id", "coupon_upc", "product_id"])
    articles = table.numbers("product_id")
    rows = set(
        zip(
            table.numbers("campaign_id").tolist(),
            table.numbers("coupon_upc").tolist(),
            articles.tolist(),
            catalogue.domains[catalogue.places(articles)].tolist(),
            strict=True,
        )
    )
    counts = Counter((campaign, coupon, domain) for campaign, coupon, _, domain in rows)
    best: dict[tuple[int, int], tuple[int, int]] = {}
    for (campaign, coupon, domain), count in counts.items():
        best[campaign, coupon] = max(best.get((campaign, coupon), (0, 0)), (count, -domain))
    return {coupon: DOMAINS[-negated] for coupon, (_, negated) in best.items()}


def _code(campaign: int) -> str:
    return f"campaign-{campaign:02}"


def _days(midnights_s: Numbers) -> list[date]:
    """Civil days, which the files hold as if they were midnights UTC."""
    return [datetime.fromtimestamp(midnight_s, UTC).date() for midnight_s in midnights_s.tolist()]


def _grouped(table: Table, column: str) -> dict[int, list[int]]:
    """The distinct numbers of a column per campaign, in order: the file of coupons repeats them for each article."""
    groups: dict[int, list[int]] = defaultdict(list)
    rows = zip(table.numbers("campaign_id").tolist(), table.numbers(column).tolist(), strict=True)
    for campaign, number in sorted(set(rows)):
        groups[campaign].append(number)
    return groups
