"""The page of a comparison needs nothing else, says the worst first, and shows what is in the data as text."""

from __future__ import annotations

import re
from datetime import date, timedelta
from html.parser import HTMLParser

from lakeproof.outputs.comparison import (
    ColumnChange,
    Comparison,
    DayChange,
    Numbers,
    Pair,
    SampleRow,
    SchemaChange,
    Side,
)
from lakeproof.outputs.page import page

FIRST = date(2013, 1, 1)
HOSTILE = "<script>alert(1)</script>\"'&\u202e\x07"


class Parsed(HTMLParser):
    """Elements that are open, all tags with their attributes, and the text."""

    VOID = ("meta", "rect", "circle", "line", "polyline", "i")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that is closed at once."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the element that is open."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        if "style" not in self.open:
            self.text += f"{data} "


def comparison(days: int = 31, **changes: object) -> Comparison:
    """Return a comparison of a month: one day is missing, a number and a text changed."""
    listed = [DayChange(FIRST + timedelta(days=n), 100, 100, changed=10, unchanged=90) for n in range(days)]
    listed[20 % days] = DayChange(FIRST + timedelta(days=20 % days), 100, None, removed=100)
    means = tuple((day.day, 10.0 + n, 11.0 + n) for n, day in enumerate(listed) if day.day)
    columns = (
        ColumnChange(
            "delay",
            "int",
            300,
            old=Numbers(10.0, 3100.0, 0.0, 99.0, (1.0, 2.0, 3.0, 4.0, 5.0)),
            new=Numbers(11.0, 3400.0, 0.0, 99.0, (2.0, 3.0, 4.0, 5.0, 6.0)),
            mean_difference=1.0,
            largest_difference=-7.0,
            by_day=means,
        ),
        ColumnChange("status", "string", 12, 3, 4, pairs=(Pair("late", "on time", 10), Pair(None, HOSTILE, 2))),
        ColumnChange("carrier", "string"),
    )
    samples = (
        SampleRow("changed", {"carrier": HOSTILE}, {"delay": 1}, {"delay": 2}, FIRST),
        SampleRow("added", {"carrier": "UA"}, None, {"delay": None}, FIRST),
    )
    fields = {
        "key": ("flight_date", "carrier"),
        "days": tuple(listed),
        "columns": columns,
        "samples": samples,
        "schema": (SchemaChange("gate", None, "string"),),
    }
    old, new = Side("main", 3100, days, 1), Side("fix-delays", 3000, days - 1, 2, duplicate_keys=4, null_keys=5)
    return Comparison("flights.carrier_day", old, new, **fields | changes)  # type: ignore[arg-type]


def test_the_page_is_well_formed_and_asks_nobody_for_anything() -> None:
    """No script, font, picture or link; and a policy that lets none in."""
    text = page(comparison())
    parsed = Parsed(text)

    assert parsed.open == []
    assert not [attrs for _, attrs in parsed.tags if attrs.keys() & {"src", "href", "onload", "onclick"}]
    assert not {"script", "link", "img", "iframe", "object", "form"} & {tag for tag, _ in parsed.tags}
    assert not re.search(r"https?:|url\(|@import", text)
    assert "default-src 'none'" in text


def test_the_missing_day_is_the_first_thing_that_is_said() -> None:
    """In the heading, and in a box of its own."""
    text = Parsed(page(comparison())).text

    assert text.index("2013-01-21 is missing in fix-delays") < text.index("rows changed")
    assert text.index("2013-01-21 is not in fix-delays: 100 rows.") < text.index("Rows by day")


def test_every_part_is_there_with_its_numbers() -> None:
    """Counts, columns, schema, days, samples, and how it was compared."""
    text = re.sub(r"\s+", " ", Parsed(page(comparison())).text)

    for part in (
        "300 rows changed", "2,700 rows unchanged", "delay int", "Total 3,100 → 3,400, +300 (+9.68%).",
        "late on time 10",
        "Nulls: 3 → 4.", "gate (string) is only in the new", "1 columns did not change: carrier.", "31 days",
        "fix-delays: 5 rows have a null in their key.", "fix-delays: 4 rows share their key with another.",
        "Key: flight_date, carrier.", "snapshot 2",
    ):  # fmt: skip
        assert part in text, part


def test_what_is_in_the_data_is_text_and_not_markup() -> None:
    """Whatever a value, column or table is called."""
    text = page(comparison(ignored=(HOSTILE,), notes=(HOSTILE,)))

    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "\\x202e\\x07" in text
    assert Parsed(text).open == []


def test_a_page_of_ten_years_and_many_columns_stays_small() -> None:
    """Days are drawn as stretches, and columns beyond some as bars alone."""
    big = comparison(days=3650)
    column = big.columns[0]
    many = tuple(ColumnChange(**vars(column) | {"name": f"column_{n}" * 9}) for n in range(200))

    text = page(comparison(days=3650, columns=many))

    assert len(text) < 2_000_000
    assert Parsed(text).open == []


def test_identical_sides_say_so() -> None:
    """And draw no column."""
    days = (DayChange(FIRST, 5, 5, unchanged=5, proven=True),)

    text = Parsed(page(comparison(days=1) and Comparison("t", Side("main", 5, 1), Side("x", 5, 1), days=days))).text

    assert "main and x are identical: 5 rows." in text
    assert "What changed" not in text
