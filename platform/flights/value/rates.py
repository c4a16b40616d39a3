"""What a minute costs, and whose figures these are: every dollar in this layer comes from here."""

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

ANALYST_HOUR = Decimal("37.90")
"""Mean hourly wage of operations research analysts: BLS, Occupational Employment and Wages, 15-2031, May 2011."""
