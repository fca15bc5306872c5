"""Family 6: the audit trail, edited, shortened, lengthened, shuffled, and written to from many sides."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from iac_agent.errors import AuditBroken
from iac_agent.store.audit import Audit, Head, exported_head
from tests.adversarial.table import Attack, cases, known
from tests.conftest import Figure

RECHAIN = "recompute every hash"


@dataclass(frozen=True)
class AuditAttack(Attack):
    """What is done to the database of six records."""

    statements: tuple[str, ...]


ATTACKS = [
    AuditAttack("a body edited", ("update audit set body = replace(body, '3', '9') where number = 4",)),
    AuditAttack("the approval of another person", ("update audit set actor = 'bob@corp' where number = 3",)),
    AuditAttack("a time moved", ("update audit set time = '2020-01-01T00:00:00.000+00:00' where number = 2",)),
    AuditAttack("a kind renamed", ("update audit set kind = 'verified' where number = 5",)),
    AuditAttack("a record given to another run", ("update audit set run = 'other' where number = 5",)),
    AuditAttack("a record removed", ("delete from audit where number = 3",)),
    AuditAttack(
        "a record removed and the rest renumbered",
        ("delete from audit where number = 3", "update audit set number = number - 1 where number > 3"),
    ),
    AuditAttack("the first removed", ("delete from audit where number = 1",)),
    AuditAttack("the last removed", ("delete from audit where number = 6",)),
    AuditAttack("the last three removed", ("delete from audit where number > 3",)),
    AuditAttack("everything removed", ("delete from audit",)),
    AuditAttack(
        "two records swapped",
        (
            "update audit set number = -1 where number = 2",
            "update audit set number = 2 where number = 3",
            "update audit set number = 3 where number = -1",
        ),
    ),
    AuditAttack(
        "a record inserted",
        (
            "update audit set number = -number where number > 2",
            "update audit set number = 1 - number where number < 0",
            "insert into audit select 3, time, actor, run, kind, body, previous, hash from audit where number = 2",
        ),
    ),
    AuditAttack(
        "a record added that chains to nothing", (f"insert into audit values (7, 't', 'a', 'r', 'k', '{{}}', '{'0' * 64}', '{'1' * 64}')",)
    ),
    AuditAttack(
        "a record copied to the end",
        ("insert into audit select 7, time, actor, run, kind, body, previous, hash from audit where number = 6",),
    ),
    AuditAttack(
        "a record below the first",
        ("insert into audit select 0, time, actor, run, kind, body, previous, hash from audit where number = 1",),
    ),
    AuditAttack("edited and chained again", ("update audit set body = '{\"n\":99}' where number = 2", RECHAIN)),
    AuditAttack("shortened and chained again", ("delete from audit where number > 4", RECHAIN)),
    AuditAttack("the fields run together", ("update audit set run = 'run\",\"note', kind = '' where number = 2",)),
]


def chained_again(connection: sqlite3.Connection) -> None:
    """What somebody does who knows how the chain is made."""
    previous = "0" * 64
    for row in connection.execute("select number, time, actor, run, kind, body from audit order by number").fetchall():
        digest = hashlib.sha256(json.dumps([previous, *row], separators=(",", ":")).encode()).hexdigest()
        connection.execute("update audit set previous = ?, hash = ? where number = ?", (previous, digest, row[0]))
        previous = digest


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_the_tampering_shows(tmp_path: Path, attack: AuditAttack, figure: Figure) -> None:
    trail = Audit(f"sqlite:///{tmp_path / 'a.db'}")
    for number in range(6):
        trail.append("run", "note", {"n": number})
    assert trail.verify() == 6
    trail.close()
    with sqlite3.connect(tmp_path / "a.db") as connection:
        for statement in attack.statements:
            if statement == RECHAIN:
                chained_again(connection)
            else:
                connection.execute(statement)
    connection.close()
    with pytest.raises(AuditBroken) as broken:
        trail.verify()
    assert broken.value.exit_code == 1
    trail.close()
    figure("attacks stopped, audit", 1, 1)


def test_without_its_seal_an_export_tells(tmp_path: Path, figure: Figure) -> None:
    """Who cuts the end off and takes the seal away does not have the export that was kept elsewhere."""
    trail = Audit(f"sqlite:///{tmp_path / 'a.db'}")
    for number in range(6):
        trail.append("run", "note", {"n": number})
    kept = exported_head(iter(list(trail.export())))
    assert kept.records == 6
    trail.close()
    (tmp_path / "audit.seal").unlink()
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("delete from audit where number > 4")
    connection.close()
    with pytest.raises(AuditBroken, match="cut off"):
        trail.verify(kept)
    trail.close()
    figure("attacks stopped, audit", 1, 1)


@pytest.mark.parametrize("text", ["", "{}", "null", "[]", '{"records": 2}', '{"records": "x", "hash": 5}', "approved"])
def test_a_seal_that_says_nothing_is_broken(tmp_path: Path, text: str, figure: Figure) -> None:
    trail = Audit(f"sqlite:///{tmp_path / 'a.db'}")
    trail.append("run", "note", {})
    (tmp_path / "audit.seal").write_text(text)
    with pytest.raises(AuditBroken):
        trail.verify()
    trail.close()
    figure("attacks stopped, audit", 1, 1)


@pytest.mark.parametrize("change", ["drop a line", "edit a line", "swap lines", "another head", "no head", "half a line"])
def test_an_export_that_was_changed_does_not_count(tmp_path: Path, change: str, figure: Figure) -> None:
    trail = Audit(f"sqlite:///{tmp_path / 'a.db'}")
    for number in range(4):
        trail.append("run", "note", {"n": number})
    lines = list(trail.export())
    trail.close()
    assert exported_head(iter(lines)) == Head(4, json.loads(lines[3])["hash"])
    changed = {
        "drop a line": [*lines[:1], *lines[2:]],
        "edit a line": [lines[0].replace('"n": 0', '"n": 7'), *lines[1:]],
        "swap lines": [lines[1], lines[0], *lines[2:]],
        "another head": [*lines[:-1], json.dumps({"head": {"records": 3, "hash": json.loads(lines[2])["hash"]}})],
        "no head": lines[:-1],
        "half a line": [lines[0], lines[1][:40], *lines[2:]],
    }[change]
    assert changed != lines
    with pytest.raises(AuditBroken):
        exported_head(iter(changed))
    figure("attacks stopped, audit", 1, 1)


BODIES: dict[str, object] = {
    "new lines": "a\nb\r\n\u2028c",
    "a record inside a record": '"}],"hash":"' + "0" * 64,
    "letters of everywhere": "\u0430\u202e\U0001f512\u0000\ufeff",
    "statements": "'); delete from audit; --",
    "two megabytes": "x" * 2_000_000,
    "deep": json.loads("[" * 200 + "]" * 200),
}


@pytest.mark.parametrize("name", BODIES)
def test_odd_bodies_are_kept_as_they_are(tmp_path: Path, name: str, figure: Figure) -> None:
    trail = Audit(f"sqlite:///{tmp_path / 'a.db'}")
    trail.append("run", "note", {"before": 1})
    trail.append("run\nkind", "note", {"text": BODIES[name]})
    trail.append("run", "note", {"after": 1})
    assert trail.verify() == 3
    assert [r.body for r in trail.records()][1] == {"text": BODIES[name]}
    assert exported_head(iter("\n".join(trail.export()).split("\n"))).records == 3
    trail.close()
    figure("attacks stopped, audit", 1, 1)


@known("an export with odd letters")
def test_an_export_with_odd_letters_verifies_on_the_command_line(tmp_path: Path, figure: Figure) -> None:
    """A request must not be able to make an export that nobody can verify against."""
    from iac_agent.store.home import Home

    trail = Audit(Home(tmp_path).database_url)
    trail.append("run", "request", {"request": "tag it\u2028a\u0085b\x0cc"})
    trail.close()
    command = [sys.executable, "-m", "iac_agent.cli.main", "audit"]
    out = tmp_path / "kept.jsonl"
    subprocess.run([*command, "export", "--out", str(out)], cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run([*command, "verify", "--against", str(out)], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "1 records, the chain verifies.\n")
    figure("attacks stopped, audit", 1, 1)


def test_processes_that_write_at_once_make_one_chain(tmp_path: Path, figure: Figure) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    code = (
        "import sys; from iac_agent.store.audit import Audit\nfor n in range(15): Audit(sys.argv[1]).append(sys.argv[2], 'note', {'n': n})"
    )
    writers = [subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, url, str(i)], stderr=subprocess.PIPE) for i in range(4)]
    assert [(w.communicate(timeout=60)[1], w.returncode) for w in writers] == [(b"", 0)] * 4
    trail = Audit(url)
    assert trail.verify() == 60
    assert {len(list(trail.records(str(i)))) for i in range(4)} == {15}
    trail.close()
    figure("attacks stopped, audit", 1, 1)
