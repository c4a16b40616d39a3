"""What things cost, from a small file: each rate with its source and date."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeproof.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RATES_KEY = "LAKEPROOF_RATES"
"""The variable that names another file of rates."""

SHIPPED = Path(__file__).with_name("rates.yaml")
"""The rates that come with this package."""

UNITS = {"vcpu": "vCPU-hour", "cluster": "cluster-hour", "glue": "DPU-hour", "storage": "GB-month"}
"""What is priced, and by which unit."""

REQUEST = "request"
"""The unit of what is asked of a paid API."""

OLDEST = timedelta(days=366)
"""How old a rate may be: a year, leap or not."""

MOST_USD = 10**9
"""More than one unit of anything costs: what is beyond is a slip, and sums of it would be no numbers."""

CURRENCY = "USD"
"""All rates are in it: nothing here converts one currency into another."""

_CODES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP
CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR
IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU
MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG
SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV
WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""

CURRENCIES = frozenset(_CODES.split())
"""The codes of ISO 4217 that people are paid in, to tell a currency from what is none."""


@dataclass(frozen=True)
class Rate:
    """What one unit of something costs.

    Args:
        name: What it is of, such as `vcpu` or `storage`, or `request to HOST`.
        usd: US dollars a unit.
        unit: The unit, such as `vCPU-hour`.
        source: Where the figure is from.
        date: The day on which it was so.
    """

    name: str
    usd: float
    unit: str
    source: str
    date: date


@dataclass(frozen=True)
class Rates:
    """What things cost.

    Args:
        file: Where the rates are from.
        rates: The rates, by name; those of requests by `request to HOST`.
    """

    file: str
    rates: Mapping[str, Rate]

    @property
    def oldest(self) -> date:
        """The day of the oldest: they all were so since then."""
        return min(rate.date for rate in self.rates.values())

    def usd(self, name: str) -> float:
        """Return US dollars a unit of what a name stands for in `UNITS`.

        Raises:
            UsageError: The file has no such rate.
        """
        if name in self.rates:
            return self.rates[name].usd
        msg = f"{self.file}: rate {name}, in US dollars a {UNITS[name]}, is missing, and what it prices was used."
        raise UsageError(msg, next_step=f"add it, as {SHIPPED} has it")

    def usd_per_request(self, host: str) -> float:
        """Return US dollars a request to a host; nothing where the file does not list it."""
        rate = self.rates.get(f"{REQUEST} to {host}")
        return 0.0 if rate is None else rate.usd

    def of_day(self, today: date) -> Rates:
        """Return the same rates, if they still hold on a day.

        Raises:
            UsageError: One is older than a year.
        """
        for rate in self.rates.values():
            if today - rate.date > OLDEST:
                msg = f"{self.file}: rate {rate.name} is of {rate.date}, more than a year before {today}."
                remedy = f"look it up where its source says, and change its date; {RATES_KEY} names a file of your own"
                raise UsageError(msg, next_step=remedy)
        return self


def read_rates(today: date) -> Rates:
    """Return the rates of the file that `LAKEPROOF_RATES` names, or of the one that comes with this package.

    Args:
        today: The day on which they are to hold: a rate older than a year is no rate.

    Raises:
        UsageError: There is no such file, or a rate is negative, no number, in another currency than US dollars, of an
            unknown unit, without a source, or older than a year.
    """
    return stored_rates().of_day(today)


def stored_rates() -> Rates:
    """Return the rates as `read_rates` does, however old they are.

    Raises:
        UsageError: As for `read_rates`, but for the age.
    """
    file = Path(os.environ.get(RATES_KEY) or SHIPPED)
    try:
        return _parsed(file, file.stat().st_mtime_ns)
    except OSError as error:
        msg = f"{RATES_KEY}={file} cannot be read: {error.strerror}."
        raise UsageError(msg, next_step=f"name a file such as {SHIPPED}, or unset {RATES_KEY}") from error


@lru_cache(maxsize=8)
def _parsed(file: Path, modified: int) -> Rates:  # noqa: ARG001 - a file that was changed is another one
    import yaml  # noqa: PLC0415 - only who prices needs it

    try:
        document = yaml.safe_load(file.read_bytes())
    except (yaml.YAMLError, ValueError) as error:
        msg = f"{file} is no YAML: {' '.join(str(error).split())}"
        raise UsageError(msg, next_step=f"write it as {SHIPPED} is written") from error
    whole = _members(document, f"{file}", {"currency", "rates", "requests"})
    _demand_currency(file, whole.get("currency"))
    rates = _mapping(whole.get("rates"), f"{file}: rates")
    found = [_rate(file, name, told, UNITS[name]) for name, told in _known(file, rates)]
    hosts = _mapping(whole.get("requests") or {}, f"{file}: requests")
    found += [_rate(file, f"{REQUEST} to {host}", told, REQUEST) for host, told in hosts.items()]
    if not found:
        msg = f"{file} has no rate."
        raise UsageError(msg, next_step=f"write it as {SHIPPED} is written")
    return Rates(str(file), {rate.name: rate for rate in found})


def _known(file: Path, rates: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, told in rates.items():
        if name not in UNITS:
            msg = f"{file}: nothing is priced by a rate {name!r}. {did_you_mean(str(name), UNITS)}"
            raise UsageError(msg, next_step="rename it or leave it out; requests to an API are under requests")
        yield name, told


def _demand_currency(file: Path, currency: object) -> None:
    if currency == CURRENCY:
        return
    if currency is None:
        msg = f"{file} does not say its currency."
    elif isinstance(currency, str) and currency in CURRENCIES:
        msg = f"{file}: its rates are in {currency}, and only {CURRENCY} is supported: nothing here converts."
    else:
        msg = f"{file}: {currency!r} is no currency: no code of ISO 4217."
    raise UsageError(msg, next_step=f"give every rate in US dollars, and say currency: {CURRENCY}")


def _rate(file: Path, name: str, told: object, unit: str) -> Rate:
    where = f"{file}: rate {name}"
    members = _members(told, where, {"usd", "unit", "source", "date"})
    if missing := sorted({"usd", "unit", "source", "date"} - members.keys()):
        msg = f"{where} lacks {' and '.join(missing)}."
        raise UsageError(msg, next_step="add it: a rate has usd, unit, source and date")
    usd, source, day = members["usd"], members["source"], members["date"]
    if isinstance(usd, bool) or not isinstance(usd, int | float) or not abs(usd) < math.inf:
        msg = f"{where}: usd is {usd!r}, which is no number."
        raise UsageError(msg, next_step=f"say how many US dollars a {unit} costs")
    if usd > MOST_USD:
        msg = f"{where}: usd is more than {MOST_USD:,}, which no {unit} costs."
        raise UsageError(msg, next_step=f"say how many US dollars a {unit} costs")
    if usd < 0:
        msg = f"{where}: usd is {usd}, which is below nothing."
        raise UsageError(msg, next_step="give what it costs; a credit is no rate")
    if members["unit"] != unit:
        msg = f"{where}: its unit is {members['unit']!r}, and {name} is priced by the {unit}."
        raise UsageError(msg, next_step=f"give US dollars a {unit}")
    if not isinstance(source, str) or not source.strip():
        msg = f"{where} has no source."
        raise UsageError(msg, next_step="say where the figure is from: a page with its address, or a contract")
    return Rate(name, float(usd), unit, source.strip(), _day(where, day))


def _day(where: str, told: object) -> date:
    try:
        day = date.fromisoformat(str(told))
    except ValueError as error:
        msg = f"{where}: its date is {told!r}, which is no day."
        raise UsageError(msg, next_step="give the day on which it was so, such as 2026-11-01") from error
    if day > datetime.now(UTC).date() + timedelta(days=1):  # it may be tomorrow already where somebody looked it up
        msg = f"{where}: its date is {day}, which has not come yet, so that it would never grow old."
        raise UsageError(msg, next_step="give the day on which it was looked up")
    return day


def _members(told: object, where: str, known: set[str]) -> Mapping[str, Any]:
    members = _mapping(told, where)
    for name in members:
        if name not in known:
            msg = f"{where} has {name!r}, which means nothing. {did_you_mean(str(name), known)}"
            raise UsageError(msg, next_step="rename it or leave it out")
    return members


def _mapping(told: object, where: str) -> Mapping[str, Any]:
    if isinstance(told, dict):
        return told
    msg = f"{where} is {'missing' if told is None else 'not made of names and values'}."
    raise UsageError(msg, next_step=f"write it as {SHIPPED} is written")
