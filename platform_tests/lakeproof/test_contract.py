"""A wrong contract fails where it is declared, and says what and where."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from lakeproof import Column, LakeproofError, Sla, Table, Value, audit
from lakeproof.errors import ContractError
from lakeproof.lake.schema import iceberg_schema

if TYPE_CHECKING:
    from collections.abc import Callable

WRONG_TABLES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a name without a namespace": ({"name": "readings"}, ["readings", "namespace.table"]),
    "a name in capitals": ({"name": "Lab.Readings"}, ["Lab.Readings", "lower-case"]),
    "no columns": ({"columns": [], "audits": [audit.row_count(at_least=1)], "key": []}, ["needs columns"]),
    "a column twice": (
        {"columns": [Column("reading_date", "date"), Column("value", "int"), Column("value", "long")], "key": []},
        ["column value", "twice"],
    ),
    "an audit twice": (
        {"audits": [audit.between("value", 0, 1), audit.between("value", 0, 2)]},
        ["audit between_value", "twice", "name="],
    ),
    "a key column that is none": ({"key": ["senser"]}, ["'senser'", "Did you mean sensor?"]),
    "no audit": ({"audits": []}, ["no audit that can judge every day is blocking", "audit.not_null"]),
    "no blocking audit": (
        {"audits": [audit.not_null("value", severity="warn")]},
        ["no audit that can judge every day is blocking"],
    ),
    "a zone that is none": ({"timezone": "America/New_Yrok"}, ["America/New_Yrok", "America/New_York"]),
    "another way to write": ({"write": "append"}, ["write='append'", "replace"]),
    "a partition that is no column": ({"partition": "reading_dat"}, ["'reading_dat'", "Did you mean reading_date?"]),
    "a partition that is no date": ({"partition": "sensor"}, ["sensor is string, not date"]),
    "no start": ({"start": None}, ["needs the day it starts", "start="]),
    "a start that is no day": ({"start": "2024-02-30"}, ["'2024-02-30' is not a day"]),
    "an end that is no day": ({"end": "soon"}, ["'soon' is not a day"]),
    "an end before the start": ({"start": "2024-01-02", "end": "2024-01-01"}, ["2024-01-01", "2024-01-02"]),
    "an end on the start": ({"start": "2024-01-02", "end": "2024-01-02"}, ["ends", "before it starts"]),
    "days without a partition": ({"partition": None, "start": "2024-01-01"}, ["gaps and sla are for", "partition="]),
    "an SLA without days": ({"partition": None, "sla": Sla("06:00")}, ["gaps and sla are for", "partition="]),
    "a gap without a reason": ({"gaps": {"2024-01-05": " "}}, ["gap 2024-01-05 has no reason"]),
    "a gap with None for a reason": ({"gaps": {"2024-01-05": None}}, ["gap 2024-01-05 has no reason"]),
    "a list of gaps": ({"gaps": ["2024-01-05"]}, ["gaps"]),
    "a gap that is no day of it": ({"gaps": {"2023-12-31": "closed"}}, ["gap 2023-12-31 is not one of its days"]),
    "a gap that is no day": ({"gaps": {"2024-02-30": "closed"}}, ["'2024-02-30' is not a day"]),
    "an audit of no column": ({"audits": [audit.not_null("valeu")]}, ["not_null_valeu", "'valeu'", "mean value?"]),
    "a unique of no column": ({"audits": [audit.unique("valeu")]}, ["unique_valeu", "'valeu'", "mean value?"]),
    "a unique without a key": ({"audits": [audit.unique()], "key": []}, ["unique", "key=["]),
    "a reference from no column": ({"audits": [audit.references("valeu", "lab.x", "y")]}, ["'valeu'", "mean value?"]),
    "SQL that does not parse": (
        {"audits": [audit.sql("sane", "value >")]},
        ["audit sane", "'value >'", "does not parse"],
    ),
    "SQL of no column": (
        {"audits": [audit.sql("sane", "valeu > 1")]},
        ["audit sane", "'valeu'", "Did you mean value?"],
    ),
    "SQL that is two": ({"audits": [audit.sql("sane", "value > 1, true")]}, ["audit sane", "not one expression"]),
    "SQL with a clause": ({"audits": [audit.sql("sane", "true FROM elsewhere")]}, ["audit sane", "not one expression"]),
    "SQL statements": ({"audits": [audit.sql("sane", "true; DROP TABLE x")]}, ["audit sane"]),
    "SQL with a name": ({"audits": [audit.sql("sane", "value > 1 AS y")]}, ["audit sane", "name"]),
    "an aggregate as a row condition": (
        {"audits": [audit.sql("sane", "sum(value) > 0")]},
        ["audit sane", "sql_result"],
    ),
    "a result that is no aggregate": (
        {"audits": [audit.sql_result("mean", "value", at_least=1)]},
        ["audit mean", "'value'", "not an aggregate"],
    ),
    "a result that does not parse": ({"audits": [audit.sql_result("mean", "avg(", at_least=1)]}, ["mean", "parse"]),
    "a result of no column": (
        {"audits": [audit.sql_result("mean", "avg(valeu)", at_least=1)]},
        ["audit mean", "Did you mean value?"],
    ),
}


@pytest.mark.parametrize(("changes", "said"), WRONG_TABLES.values(), ids=WRONG_TABLES.keys())
def test_a_wrong_table_is_refused(lab: Any, changes: dict[str, Any], said: list[str]) -> None:
    """A table that cannot be kept is refused as it is declared, with the table, the part and a remedy."""
    with pytest.raises(ContractError) as refusal:
        lab.table(**changes)
    for words in [changes.get("name", "lab.readings"), *said]:
        assert words in str(refusal.value)
    assert refusal.value.exit_code == 2


def per_month(amount: object, **more: Any) -> Value:
    """Return a worth of so much a month."""
    return Value(**{"consumer": "planning", "usd_per_month": amount, "why": "which seats to sell", **more})


WRONG_VALUES: dict[str, tuple[object, list[str]]] = {
    "below nothing": (per_month(-3), ["usd_per_month=-3", "US dollars from 0"]),
    "no number": (per_month(float("nan")), ["usd_per_month=nan"]),
    "without end": (per_month(float("inf")), ["usd_per_month=inf"]),
    "beyond all floats": (per_month(10**400), ["no amount of US dollars from 0 to 1,000,000,000,000"]),
    "a decimal that signals": (per_month(Decimal("sNaN")), ["usd_per_month=sNaN"]),
    "more than there is": (per_month(1e300), ["from 0 to 1,000,000,000,000"]),
    "a page whose address is broken": (per_month(3, url="http://[bad"), ["no address of a page"]),
    "a password": (per_month(3, url="https://ada:x@example.org"), ["its url holds a user or a password"]),
    "in another currency": (per_month("3 EUR"), ["usd_per_month='3 EUR' is no number", "US dollars"]),
    "a truth": (per_month(amount=True), ["usd_per_month=True is no number"]),
    "by the use, below nothing": (per_month(None, usd_per_use=-0.5), ["usd_per_use=-0.5"]),
    "two amounts": (per_month(3, usd_per_use=1), ["both usd_per_month and usd_per_use"]),
    "no amount": (per_month(None), ["no amount", "0 where"]),
    "no reason": (per_month(3, why=" "), ["why ' '"]),
    "nobody": (per_month(3, consumer=""), ["consumer ''"]),
    "a day that does not exist": (per_month(3, review_by="2027-02-30"), ["review_by '2027-02-30' is not a day"]),
    "no day": (per_month(3, review_by=7), ["review_by 7 is not a day"]),
    "a page that is a program": (per_month(3, url="javascript:alert(1)"), ["no address of a page", "https://"]),
    "no value": (4_000, ["value 4000 is no Value", "value=Value("]),
    "one consumer twice": ([per_month(3), per_month(4)], ["planning is declared twice"]),
}


@pytest.mark.parametrize(("value", "said"), WRONG_VALUES.values(), ids=WRONG_VALUES.keys())
def test_a_wrong_worth_is_refused(lab: Any, value: object, said: list[str]) -> None:
    """A worth that says nothing, or is no amount of US dollars, is refused with the table and a remedy."""
    with pytest.raises(ContractError) as refusal:
        lab.table(value=value)
    for words in ["lab.readings", *said]:
        assert words in str(refusal.value)
    assert refusal.value.exit_code == 2
    assert refusal.value.next_step


def test_a_worth_has_one_form(lab: Any) -> None:
    """One value or several, amounts of any kind of number, and a day as text or date are kept alike."""
    alone = lab.table(value=per_month(Decimal("3.50"), review_by="2027-03-01"))
    both = lab.table("lab.both", value=[per_month(0), Value("sales", usd_per_use=2, why="whom to call")])

    assert lab.table("lab.none").values == ()
    assert (alone.values[0].usd_per_month, alone.values[0].review_by) == (3.5, date(2027, 3, 1))
    assert [value.usd(10) for value in both.values] == [0, 20]
    assert [value.is_money for value in both.values] == [False, True]
    assert [value.is_due(date(2027, 3, 2)) for value in (*alone.values, *both.values)] == [True, False, False]
    assert not alone.values[0].is_due(date(2027, 3, 1))
    assert Value.of(alone.values[0].record()).bind("lab.readings") == alone.values[0]


def test_a_worth_is_not_about_rows(lab: Any) -> None:
    """It is in no evidence, and changes neither the columns nor the code version."""
    plain, worth = lab.table(), lab.table("lab.worth", value=per_month(3))

    assert plain.record() == worth.record()
    assert iceberg_schema(plain) == iceberg_schema(worth)


WRONG_PARTS: dict[str, tuple[Callable[[], object], list[str]]] = {
    "an unknown type": (lambda: Column("value", "lnog"), ["Column value", "'lnog'", "Did you mean long?"]),
    "an engine's type": (lambda: Column("value", "VARCHAR"), ["Column value", "'VARCHAR'", "string"]),
    "a decimal too wide": (lambda: Column("value", "decimal(39, 2)"), ["decimal(39, 2)", "38"]),
    "a decimal all fraction": (lambda: Column("value", "decimal(2, 3)"), ["decimal(2, 3)"]),
    "a column in capitals": (lambda: Column("Value", "int"), ["'Value'", "lower-case"]),
    "digits of a whole number": (lambda: Column("value", "int", digits=2), ["Column value", "digits", "int"]),
    "a target of none": (lambda: Sla("06:00", target=0), ["target 0", "(0, 1]"]),
    "a target above all": (lambda: Sla("06:00", target=1.01), ["target 1.01", "(0, 1]"]),
    "a percentage": (lambda: Sla("06:00", target=95), ["target 95", "0.95"]),
    "a target that is no number": (lambda: Sla("06:00", target=float("nan")), ["(0, 1]"]),
    "a time that is none": (lambda: Sla("25:00"), ["'25:00'", "HH:MM"]),
    "a time with seconds": (lambda: Sla("06:00:30"), ["'06:00:30'", "HH:MM"]),
    "a time in a zone of its own": (lambda: Sla("06:00+02:00"), ["'06:00+02:00'", "HH:MM"]),
    "a promise since no day": (lambda: Sla("06:00", since="2024-02-30"), ["since '2024-02-30' is not a day"]),
    "a promise that is yet to begin": (lambda: Sla("06:00", since="2999-01-01"), ["2999-01-01", "after today"]),
    "a deadline in no zone": (lambda: Sla("06:00", timezone="Mars/Olympus"), ["Mars/Olympus"]),
    "nothing not null": (audit.not_null, ["needs at least one column"]),
    "no bounds": (audit.row_count, ["row_count", "no bound"]),
    "reversed bounds": (lambda: audit.between("value", 5, 1), ["between_value", "5", "1"]),
    "no accepted value": (lambda: audit.accepted_values("value", []), ["'value'", "accepts nothing"]),
    "a volume within nothing": (lambda: audit.volume(within=0), ["within=0"]),
    "more history than days": (lambda: audit.volume(within=0.5, days=3, min_history=4), ["min_history=4", "days=3"]),
    "an unknown severity": (lambda: audit.not_null("value", severity="error"), ["'error'", "'blocking' nor 'warn'"]),  # type: ignore[arg-type]  # wrong on purpose
    "an audit's name": (lambda: audit.sql("Is sane", "true"), ["'Is sane'", "lower-case"]),
    "a taken name": (lambda: audit.sql("not_empty", "true"), ["not_empty", "taken"]),
    "the name of the check of SLAs": (lambda: audit.sql("sla", "true"), ["sla", "taken"]),
}


@pytest.mark.parametrize(("build", "said"), WRONG_PARTS.values(), ids=WRONG_PARTS.keys())
def test_a_wrong_part_is_refused(build: Callable[[], object], said: list[str]) -> None:
    """A column, deadline, worth or audit that cannot be kept is refused as it is built."""
    with pytest.raises(ContractError) as refusal:
        build()
    for words in said:
        assert words in str(refusal.value)


def test_both_bounds_of_a_target_are_kept() -> None:
    """A target of all days is a target; so is a small one."""
    assert Sla("06:00", target=1).target == 1
    assert Sla("06:00", target=0.01).due_time.hour == 6


def test_two_tables_of_one_name_are_refused(lab: Any) -> None:
    """The refusal names both places, so that a person finds the two declarations."""
    first = lab.table("lab.twice")
    with pytest.raises(ContractError, match=r"Two tables are called lab.twice") as refusal:
        Table(
            "lab.twice",
            columns=first.columns,
            layer="collection",
            owner="team:lab",
            audits=[audit.row_count(at_least=1)],
        )

    assert f"{__file__}:" in str(refusal.value)
    assert "conftest.py:" in str(refusal.value)


def test_a_file_loaded_again_declares_the_same_table(lab: Any) -> None:
    """Dagster loads a code location more than once: the same line may declare its table again."""
    assert lab.table("lab.again") is not None
    assert lab.table("lab.again").name == "lab.again"


def test_a_reference_to_no_column_of_a_known_table_is_refused(lab: Any) -> None:
    """A reference audit that was given the other contract looks whether it has the column."""
    other = lab.table("lab.sensors", partition=None)
    with pytest.raises(ContractError, match="senser"):
        lab.table(audits=[audit.references("sensor", other, "senser")])


def test_trailing_windows_need_days(lab: Any) -> None:
    """A table without days cannot be read by days, and a window of no days reads nothing."""
    with pytest.raises(ContractError, match=r"lab\.sensors: previous"):
        lab.table("lab.sensors", partition=None).previous()
    with pytest.raises(ContractError, match=r"last\(days=0\) reads nothing"):
        lab.table().last(days=0)


def test_every_refusal_carries_its_exit_code() -> None:
    """The number that a command ends with is documented, and never 0."""

    def below(kind: type[LakeproofError]) -> list[type[LakeproofError]]:
        return [kind, *(k for sub in kind.__subclasses__() for k in below(sub))]

    codes = {kind.__name__: kind.exit_code for kind in below(LakeproofError)}
    assert 0 not in codes.values()
    assert (codes["UsageError"], codes["ContractError"], codes["LakeError"]) == (2, 2, 1)


def test_a_condition_on_a_row_may_not_look_at_others(lab: Any) -> None:
    """A subquery would scan again and could read what no evidence names, so it is refused when it is declared."""
    with pytest.raises(ContractError, match="about many rows"):
        lab.table(audits=[audit.sql("sane", "value < (select max(value) from staged)"), audit.row_count(at_least=1)])


def test_a_pattern_that_is_none_is_refused() -> None:
    """A regular expression that does not parse is told when it is declared."""
    with pytest.raises(ContractError, match=r"RE2|missing"):
        audit.matches("sensor", "(")


def test_bounds_of_different_kinds_are_refused() -> None:
    """A text and a number have no order."""
    with pytest.raises(ContractError, match="different kinds"):
        audit.between("value", 1, "b")


@pytest.mark.parametrize(
    "expression",
    [
        "count(*) / sum(count(*)) over ()",
        "max(sum(value)) over (order by sensor)",
        "count(*) - (select count(*) from staged)",
        "count(*) + (select count(*) from read_csv('/etc/passwd'))",
    ],
)
def test_a_result_may_not_look_beyond_its_day(lab: Any, expression: str) -> None:
    """A window or a subquery would see the other days of a range, or other files: a day alone would be judged anew."""
    with pytest.raises(ContractError, match=r"lab\.readings.*audit share"):
        lab.table(audits=[audit.sql_result("share", expression, at_most=1), audit.row_count(at_least=1)])


@pytest.mark.parametrize(
    "expression",
    ["mad(value)", "product(value)", "kurtosis(value)", "entropy(value)", "bool_and(value > 1)::int", "max(value) - 1"],
)
def test_every_aggregate_of_the_engine_is_a_result(lab: Any, expression: str) -> None:
    """Also one that the parser has no word for."""
    table = lab.table(audits=[audit.sql_result("it", expression, at_least=-10_000)])

    assert lab.states(table, lab.rows(2, 3, 4, 7)) == ["published"]


def test_a_day_cannot_be_due_before_it_is_over(lab: Any) -> None:
    """Where the SLA's zone is ahead of the table's, a due time may lie within the day: nobody could keep it."""
    with pytest.raises(ContractError, match="so no day could be in time"):
        lab.table(timezone="Pacific/Honolulu", sla=Sla(due="06:00", timezone="UTC"))

    lab.table("lab.later_due", timezone="Pacific/Honolulu", sla=Sla(due="11:00", timezone="UTC"))
