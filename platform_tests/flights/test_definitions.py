from __future__ import annotations

from pathlib import Path

import dagster as dg

from flights.definitions import defs

SNAPSHOT = Path(__file__).with_name("asset_graph.txt")


def drawn() -> str:
    """Return the asset graph as text: each table with its group, days, upstream and audits."""
    graph = defs.resolve_asset_graph()
    lines = []
    for key in sorted(graph.materializable_asset_keys, key=lambda key: (graph.get(key).group_name, key.path)):
        node = graph.get(key)
        days = node.partitions_def
        lines.append(f"{key.to_user_string()}")
        lines.append(f"  group: {node.group_name}")
        lines.append(f"  owners: {', '.join(node.owners)}")
        if isinstance(days, dg.DailyPartitionsDefinition):
            lines.append(
                f"  days: {days.get_first_partition_key()} to {days.get_last_partition_key()}, {days.timezone}"
            )
        lines += [f"  reads: {parent.to_user_string()}" for parent in sorted(node.parent_keys)]
        for check in sorted(node.check_keys):
            spec = graph.get_check_spec(check)
            lines.append(f"  {'blocks' if spec.blocking else 'warns'}: {check.name}")
    return "\n".join(lines) + "\n"


def test_the_asset_graph_is_the_one_that_was_agreed() -> None:
    """Tables, groups, owners, days, upstream and audits change only when somebody means it.

    When you do, write `drawn()` to the snapshot, and read its diff.
    """
    assert drawn() == SNAPSHOT.read_text()


def test_every_column_is_described() -> None:
    """A reader of the catalog never has to guess what a column means."""
    for asset in defs.assets or ():
        assert isinstance(asset, dg.AssetsDefinition | dg.AssetSpec)
        (metadata,) = [asset.metadata] if isinstance(asset, dg.AssetSpec) else asset.metadata_by_key.values()
        for column in metadata["dagster/column_schema"].columns:
            assert column.description, f"{asset}.{column.name}"
