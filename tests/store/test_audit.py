"""The audit chain: appends from many processes keep it whole, and every kind of tampering shows."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from iac_agent.errors import AuditBroken
from iac_agent.store.audit import Audit, exported_head


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
        "delete from audit where number = 5",
        "delete from audit where number > 2",
        "delete from audit",
        "update audit set body = (select b.body from audit b where b.number = 5 - audit.number) where number in (2, 3)",
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


def test_processes_that_open_a_new_database_at_once_do_not_meet(tmp_path: Path) -> None:
    code = (
        "import sys; from iac_agent.store.audit import Audit; from iac_agent.store.memory import Memory; "
        "print(flush=True); sys.stdin.readline(); [(Audit(u), Memory(u)) for u in sys.argv[1:]]"
    )
    urls = [f"sqlite:///{tmp_path / str(n)}.db" for n in range(30)]
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", code, *urls], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for opener in openers:
        assert opener.stdout is not None
        opener.stdout.readline()
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("go\n")
        opener.stdin.flush()
    ended = [(o.communicate(timeout=60)[1], o.returncode) for o in openers]
    assert ended == [("", 0)] * 3


def test_an_export_is_what_a_trail_must_go_on_from(trail: tuple[Audit, Path], tmp_path: Path) -> None:
    lines = list(trail[0].export())
    head = exported_head(iter(lines))
    assert head.records == 5
    trail[0].append("run", "note", {"number": 5})
    assert trail[0].verify(head) == 6
    trail[0].close()
    (tmp_path / "audit.seal").unlink()
    with sqlite3.connect(trail[1]) as connection:
        connection.execute("delete from audit where number > 3")
    connection.close()
    assert trail[0].verify() == 3
    with pytest.raises(AuditBroken, match="5 were written"):
        trail[0].verify(head)
    trail[0].append("run", "note", {"number": 9})
    trail[0].append("run", "note", {"number": 9})
    with pytest.raises(AuditBroken, match="record 5 is not the one"):
        trail[0].verify(head)
    trail[0].close()


@pytest.mark.parametrize(
    "change", [lambda rows: rows[1:], lambda rows: [*rows[:2], *rows[3:]], lambda rows: rows[:-1], lambda rows: ["x", *rows]]
)
def test_an_export_that_was_changed_is_no_anchor(trail: tuple[Audit, Path], change: Callable[[list[str]], list[str]]) -> None:
    lines = list(trail[0].export())
    trail[0].close()
    with pytest.raises(AuditBroken):
        exported_head(iter(change(lines)))
