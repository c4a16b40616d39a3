"""The page for those who come from cron, Prefect or Mage is true: its code makes what it says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from lakeproof import Lakehouse

if TYPE_CHECKING:
    import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "from-others.md").read_text()
(CODE,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of files becomes a day of totals, and the definitions have the sensors."""
    folder = tmp_path / "orders" / "2024-03-01"
    folder.mkdir(parents=True)
    (folder / "orders.csv").write_text("day,order_id,product\n2024-03-01,1,tea\n2024-03-01,2,tea\n2024-03-01,3,test\n")
    (folder / "_SUCCESS").touch()
    monkeypatch.setenv("STORE_LANDING", str(tmp_path))
    (tmp_path / "store.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    store = __import__("store")
    lakehouse = Lakehouse.in_memory()

    for asset in store.assets:
        done = dg.materialize([asset], partition_key="2024-03-01", resources={"lakehouse": lakehouse})
        assert done.success

    assert lakehouse.read(store.totals).select("product", "orders").rows() == [("tea", 2)]
    assert {sensor.name for sensor in store.defs.sensors} == {"lakeproof_readiness", "lakeproof_sources"}
    del sys.modules["store"]
