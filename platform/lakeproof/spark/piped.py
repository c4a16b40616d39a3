"""Dagster Pipes, by which a job gets its order and tells its log and its report."""

from __future__ import annotations

import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lakeproof.spark.launcher import Job


@contextmanager
def piped(
    context: Any, job: Job, injector: dg.PipesContextInjector, reader: dg.PipesMessageReader
) -> Iterator[dg.PipesSession]:
    """Open a session of Dagster Pipes that gives a job its order.

    Args:
        context: Dagster's execution context.
        job: The job.
        injector: How the order gets to it.
        reader: How its messages come back.
    """
    with ExitStack() as stack:
        with warnings.catch_warnings():
            # Dagster 1.13 warns of a preview that it uses itself.
            warnings.filterwarnings("ignore", ".*expected_writer_count", dg.PreviewWarning)
            session = stack.enter_context(
                dg.open_pipes_session(
                    context=_Context(context),  # type: ignore[arg-type]  # stands for one
                    context_injector=injector,
                    message_reader=reader,
                    extras=dict(job.order),
                )
            )
        yield session


class _Context:
    """Dagster's context for Pipes: of an asset, Pipes demands that the events come from the job; ours come after it."""

    has_assets_def = False

    def __init__(self, context: Any) -> None:
        self._context = getattr(context, "op_execution_context", context)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


def in_a_run(function: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """Call a function in a Dagster run that nobody sees: Pipes asks for the context of one."""
    found: list[dict[str, Any]] = []

    @dg.op
    def spark(context) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - Dagster takes no text for its type
        found.append(function(context))

    @dg.job
    def unseen() -> None:
        spark()

    with dg.DagsterInstance.ephemeral() as instance:
        unseen.execute_in_process(
            instance=instance, run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        )
    return found[0]
