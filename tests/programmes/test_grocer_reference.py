"""The figures that a replay of the whole grocer year must show."""

from tests.programmes import grocer_reference


def test_the_whole_year_comes_to_these_totals() -> None:
    year = grocer_reference.totals()
    assert (year.households, year.accounts, year.activities, year.lines) == (2_469, 9_602, 225_898, 1_469_307)
    assert year.score_minor == 4_596_039_58
    assert (year.earned_purchase, year.earned_dairy, year.dairy_capped) == (7_656_343, 454_010, 97_614)
    assert (year.spent, year.expired, year.outstanding) == (1_188_200, 6_152_603, 769_550)
    assert year.earned_purchase + year.earned_dairy == year.spent + year.expired + year.outstanding
    assert (year.fuel_discounts, year.fuel_refused) == (11_882, 1_115)
    assert (year.rises, year.levels_crossed, year.falls) == (9_296, 9_307, 5_566)
    assert (year.expired_at_close, year.falls_at_close) == (603_299, 29)
    assert (year.level_gifts, year.free_deliveries) == (5_070, 13_138)
    assert year.members_by_level == {"bronze": 628, "silver": 633, "gold": 524, "platinum": 684}
