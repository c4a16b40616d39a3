"""A credential is sent to its server, and is found nowhere else."""

from __future__ import annotations

import json
import logging
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from requests.auth import AuthBase, HTTPBasicAuth

from lakeproof import Column, HttpSource
from lakeproof.errors import ContractError, SourceError
from lakeproof.source import Retry, api_key, bearer

if TYPE_CHECKING:
    from conftest import Api

SECRET = "s3cr3t-marker/+="  # noqa: S105 - what the tests look for
AUTHS = [
    bearer(env="A_TOKEN"),
    api_key(env="A_TOKEN", header="X-Api-Key"),
    api_key(env="A_TOKEN", query="key"),
    HTTPBasicAuth("user", SECRET),
]


def source_of(api: Api, auth: AuthBase | None, **changes: Any) -> HttpSource:
    """Return a source that asks with a credential."""
    given: dict[str, Any] = {"fields": [Column("id", "int")], "base": api.url, "retry": Retry(2, first=0.01)}
    return HttpSource("/things", auth=auth, **(given | changes))


def was_sent(api: Api) -> bool:
    """Whether the last request had the credential."""
    asked = api.asked[-1]
    sent = [*asked.params.values(), *(value.partition(" ")[2] or value for value in asked.headers.values())]
    return SECRET in sent or "dXNlcjpz" in str(sent)


@pytest.mark.parametrize("auth", AUTHS, ids=lambda auth: type(auth).__name__)
@pytest.mark.parametrize("fault", ["none", "echo", "expired", "garbled", "drift", "reset", "elsewhere"])
def test_a_credential_is_told_nowhere(
    api: Api,
    auth: AuthBase,
    fault: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not in a log at any level, an error with its traceback, a completeness, the evidence, a name or a repr.

    Not even when the server repeats it, breaks off, or leads elsewhere.
    """
    monkeypatch.setenv("A_TOKEN", SECRET)
    caplog.set_level(logging.DEBUG)
    elsewhere = api.url.replace("127.0.0.1", "localhost")
    answers: dict[str, Any] = {
        "none": (200, {}, b'[{"id": 1}]'),
        "echo": (400, {}, f"what is {SECRET}?".encode()),
        "expired": (401, {}, f"Bearer {SECRET} has expired".encode()),
        "garbled": (200, {}, b'[{"id": 1'),
        "drift": (200, {}, b'[{"id": "x"}]'),
        "reset": (200, {"Content-Length": "99"}, b""),
        "elsewhere": (302, {"Location": f"{elsewhere}/x"}, b""),
    }
    api.answer = lambda _: answers[fault]
    source = source_of(api, auth, timeout=0.1)
    told = [repr(source), source.name]

    for ask in (source.read, source.precheck, source.complete, source.version):
        try:
            found = ask(None)
            if ask == source.read:
                found.rows.read_all()
                found = found.told
            told.append(repr(found))
        except SourceError as error:
            told += ["".join(traceback.format_exception(error)), str(error), repr(error)]
    told += [record.getMessage() for record in caplog.records] + [*capfd.readouterr()]

    assert was_sent(api)
    shown = " ".join(told)
    assert "s3cr3t" not in shown
    assert "dXNlcjpz" not in shown
    assert not any(asked.headers["Host"].startswith("localhost") for asked in api.asked)


def test_a_credential_that_is_refused_is_named_by_its_variable(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next step is to set the variable; there is no second attempt with an expired key."""
    monkeypatch.setenv("A_TOKEN", SECRET)
    api.answer = lambda _: (401, {}, b"expired")

    with pytest.raises(
        SourceError, match=r"401 Unauthorized: expired.\nNext: set A_TOKEN to a credential that is valid"
    ):
        source_of(api, bearer(env="A_TOKEN")).read(None).rows.read_all()
    assert len(api.asked) == 1


@pytest.mark.parametrize("value", [None, "", "  ", "s3cr3t\nInjected: x", "s3cr3t-ü"])
def test_a_credential_that_cannot_be_is_not_sent(api: Api, value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unset or garbled variable is named, its value is not, and no request is made."""
    monkeypatch.delenv("A_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("A_TOKEN", value)
    source = source_of(api, bearer(env="A_TOKEN"))

    reason = source.complete(None)[None].reason

    assert "A_TOKEN" in reason
    assert "s3cr3t" not in reason
    assert api.asked == []


def test_a_renewed_credential_is_used(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is read for each request."""
    api.answer = lambda asked: (200, {}, json.dumps([{"id": int(asked.headers["X-Key"])}]).encode())
    source = source_of(api, api_key(env="A_TOKEN", header="X-Key"))
    for value in ("1", "2"):
        monkeypatch.setenv("A_TOKEN", value)
        assert source.read(None).rows.read_all().to_pylist() == [{"id": int(value)}]


def test_a_credential_of_another_library_that_no_header_carries_is_not_told(api: Api) -> None:
    """What breaks while a request is sent is told by its kind alone."""

    @dataclass
    class Broken(AuthBase):
        def __call__(self, request: Any) -> Any:
            request.headers["X-Key"] = f"{SECRET}\r\nx"
            return request

    with pytest.raises(SourceError, match="the request cannot be sent") as caught:
        source_of(api, Broken()).read(None).rows.read_all()
    assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))


def test_a_key_goes_to_one_place() -> None:
    """Neither header nor query, or both, is a slip."""
    with pytest.raises(ContractError):
        api_key(env="A_TOKEN")
    with pytest.raises(ContractError):
        api_key(env="A_TOKEN", header="a", query="b")
