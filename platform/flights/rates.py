"""What a minute costs, and whose figures these are: every dollar of the example comes from here."""

from __future__ import annotations

from decimal import Decimal

# Airlines for America, "Per-Minute Cost of Delays to U.S. Airlines", calendar 2014, from DOT Form 41: direct operating
# cost of an aircraft a block minute, which it applies to minutes of arrival delay.
# http://airlines.org/data/per-minute-cost-of-delays-to-u-s-airlines/
# 2014 is the nearest year that can be cited; the page puts 2013 at 2.7 % less in total.
FUEL = Decimal("38.34")
CREW = Decimal("18.95")
MAINTENANCE = Decimal("12.36")
OWNERSHIP = Decimal("8.52")
OTHER = Decimal("3.01")

LATE_MINUTE = FUEL + CREW + MAINTENANCE + OWNERSHIP + OTHER
"""Dollars a minute of late arrival: 81.18, the total that is printed."""

LATE_MINUTE_WITHOUT_FUEL = LATE_MINUTE - FUEL
"""Dollars a minute at a gate, engines off: 42.84, the low figure."""

PADDED_MINUTE = CREW + OWNERSHIP
"""Dollars a minute that a schedule is made longer: 27.47, on every flight, used or not. It burns and wears nothing."""

# U.S. Bureau of Labor Statistics, "Occupational Employment and Wages, May 2011", 15-2031 Operations Research Analysts.
# http://www.bls.gov/oes/current/oes152031.htm, as archived on 2013-03-20: what was current in 2013.
ANALYST_HOUR = Decimal("37.90")
"""Dollars an hour that an analyst earns in the mean; what they cost beyond their wage is not in it."""

REVIEW = "2027-06-30"
"""By when what is assumed is to be asked of those who work with it."""


def analyst_hours(hours: float) -> float:
    """Return dollars for hours that analysts need not work. How many these are is assumed wherever this is used."""
    return float(ANALYST_HOUR) * hours
