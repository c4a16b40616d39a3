from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
import yaml

from lakeproof.cost.price import priced, usd_a_day
from lakeproof.cost.rates import SHIPPED, UNITS, read_rates, stored_rates
from lakeproof.cost.used import MILLION, Used
from lakeproof.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

TODAY = date(2026, 11, 26)


def rate(**changes: Any) -> dict[str, Any]:
    """Return a rate that is right, but for what is changed."""
    return {"usd": 1.0, "unit": "vCPU-hour", "source": "A contract", "date": date(2026, 11, 1), **changes}


@pytest.fixture
def rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what puts a file of rates in the place of the one that is shipped."""
    file = tmp_path / "rates.yaml"
    monkeypatch.setenv("LAKEPROOF_RATES", str(file))

    def write(text: str | None = None, **members: Any) -> Path:
        document = {"currency": "USD", "rates": {"vcpu": rate()}, "requests": {}, **members}
        file.write_text(yaml.safe_dump({k: v for k, v in document.items() if v is not None}) if text is None else text)
        return file

    return write


def test_the_shipped_rates_are_whole() -> None:
    """Each has a price above nothing, a page with its address, and a day; all that can be used is priced."""
    shipped = read_rates(TODAY)

    assert set(shipped.rates) == set(UNITS)
    for each in shipped.rates.values():
        assert each.usd > 0
        assert "https://" in each.source or "The same page" in each.source
        assert date(2026, 1, 1) < each.date <= TODAY


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (rate(usd=-0.1), "rate vcpu: usd is -0.1, which is below nothing"),
        (rate(usd="cheap"), "usd is 'cheap', which is no number"),
        (rate(usd=True), "usd is True, which is no number"),
        (rate(usd=float("nan")), "usd is nan, which is no number"),
        (rate(usd=10**400), "usd is more than 1,000,000,000, which no vCPU-hour costs"),
        (rate(usd=1e300), "usd is more than 1,000,000,000"),
        (rate(usd=float("inf")), "usd is inf, which is no number"),
        (rate(unit="GB-month"), "its unit is 'GB-month', and vcpu is priced by the vCPU-hour"),
        (rate(source=" "), "rate vcpu has no source"),
        (rate(date=date(2099, 1, 1)), "its date is 2099-01-01, which has not come yet"),
        (rate(date="yesterday"), "its date is 'yesterday', which is no day"),
        ({"usd": 1.0, "unit": "vCPU-hour"}, "rate vcpu lacks date and source"),
        (rate(eur=1.0), "has 'eur', which means nothing. Known: date, source, unit, usd."),
        (7, "rate vcpu is not made of names and values"),
        (rate(date=date(2025, 11, 24)), "rate vcpu is of 2025-11-24, more than a year before 2026-11-26"),
    ],
)
def test_a_rate_that_is_not_right_is_named(rates: Any, told: object, said: str) -> None:
    """By its file and name, with what is wrong and what to do."""
    file = rates(rates={"vcpu": told})

    with pytest.raises(UsageError) as refused:
        read_rates(TODAY)

    assert said in refused.value.what
    assert str(file) in refused.value.what
    assert refused.value.next_step
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("currency", "said"),
    [
        ("EUR", "in EUR, and only USD is supported"),
        ("DOLLARS", "'DOLLARS' is no currency"),
        (7, "7 is no currency"),
        (["USD"], r"\['USD'\] is no currency"),
        (None, "does not say its currency"),
    ],
)
def test_another_currency_is_refused(rates: Any, currency: object, said: str) -> None:
    """One that is another, and what is no currency at all."""
    rates(currency=currency)

    with pytest.raises(UsageError, match=said):
        read_rates(TODAY)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("currency: [", "is no YAML"),
        ("", "is missing"),
        ("currency: USD\n", "rates is missing"),
        ("currency: USD\nrates: {}\n", "has no rate"),
        ("currency: USD\nrates: {vcpus: {}}\n", "nothing is priced by a rate 'vcpus'. Did you mean vcpu?"),
        ("currency: USD\nrates: {}\nrequest: {}\n", "has 'request', which means nothing. Did you mean requests?"),
    ],
)
def test_a_file_that_is_none_is_refused(rates: Any, text: str, said: str) -> None:
    """Broken, empty, or with names that mean nothing."""
    rates(text)

    with pytest.raises(UsageError) as refused:
        read_rates(TODAY)

    assert said in refused.value.what


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the variable that names it."""
    monkeypatch.setenv("LAKEPROOF_RATES", str(tmp_path / "none.yaml"))

    with pytest.raises(UsageError, match=r"LAKEPROOF_RATES=.*none\.yaml cannot be read"):
        stored_rates()


def test_a_changed_file_is_read_again(rates: Any) -> None:
    """What is kept of a file is only what it says now."""
    rates()
    assert read_rates(TODAY).usd("vcpu") == 1.0

    rates(rates={"vcpu": rate(usd=20.0)})

    assert read_rates(TODAY).usd("vcpu") == 20.0


def test_a_year_is_not_older_than_a_year(rates: Any) -> None:
    """On the day itself a rate still holds, in a leap year too."""
    rates(rates={"vcpu": rate(date=date(2023, 3, 1))})

    assert read_rates(date(2024, 3, 1)).oldest == date(2023, 3, 1)


def test_what_was_used_is_priced(rates: Any) -> None:
    """By the hour, the DPU-hour, the GB and month, and the request to a host that is listed."""
    day = date(2026, 11, 1)
    rates(
        rates={
            "vcpu": rate(usd=3.6),
            "cluster": rate(usd=36.0, unit="cluster-hour"),
            "glue": rate(usd=0.44, unit="DPU-hour"),
            "storage": rate(usd=365 / 12, unit="GB-month"),
        },
        requests={"api.example.org": {"usd": 0.5, "unit": "request", "source": "Contract 1", "date": day}},
    )
    used = Used(
        cpu=2 * MILLION,
        cluster=MILLION,
        dpu=2 * MILLION,
        unseen=MILLION,
        requests={"api.example.org": 3, "free.example.org": 9},
    )

    found = priced(used, read_rates(TODAY))

    assert found.compute == pytest.approx(3 * 0.001 + 0.01 + 0.88)
    assert found.requests == 1.5
    assert usd_a_day(2**31, read_rates(TODAY)) == pytest.approx(2.0)


def test_a_missing_rate_is_told_when_it_is_needed(rates: Any) -> None:
    """A file of one's own need not price what one does not use."""
    file = rates()

    assert priced(Used(cpu=3_600 * MILLION), read_rates(TODAY)).compute == 1.0
    with pytest.raises(UsageError, match="rate glue, in US dollars a DPU-hour, is missing") as refused:
        priced(Used(dpu=1), read_rates(TODAY))

    assert str(file) in refused.value.what
    assert str(SHIPPED) in str(refused.value)
