"""The audit chain: appends from many processes keep it whole, and every kind of tampering shows."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from iac_agent.errors import AuditBroken
from iac_agent.store.audit import Audit


@pytest.fixture
def trail(tmp_path: Path) -> tuple[Audit, Path]:
    audit = Audit(f"sqlite:///{tmp_path / 'a.db'}")
    for number in range(5):
        audit.append("run", "note", {"number": number})
    return audit, tmp_path / "a.db"


def test_a_whole_chain_verifies(trail: tuple[Audit, Path]) -> None:
    assert trail[0].verify() == 5
    assert [r.body["number"] for r in trail[0].records()] == [0, 1, 2, 3, 4]
    trail[0].close()


@pytest.mark.parametrize(
    "tampering",
    [
        "update audit set body = '{\"number\":9}' where number = 3",
        "update audit set actor = 'somebody' where number = 1",
        "delete from audit where number = 2",
        "delete from audit where number = 1",
        "update audit set number = number + 10 where number = 5",
        "insert into audit select 6, time, actor, run, kind, body, previous, hash from audit where number = 5",
    ],
)
def test_tampering_shows(trail: tuple[Audit, Path], tampering: str) -> None:
    trail[0].close()
    with sqlite3.connect(trail[1]) as connection:
        connection.execute(tampering)
    connection.close()
    with pytest.raises(AuditBroken):
        trail[0].verify()
    trail[0].close()


def test_many_writers_make_one_chain(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    trails = [Audit(url) for _ in range(6)]

    def write(audit: Audit) -> None:
        for number in range(10):
            audit.append("run", "note", {"number": number})

    threads = [threading.Thread(target=write, args=(t,)) for t in trails]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trails[0].verify() == 60
    for one in trails:
        one.close()
