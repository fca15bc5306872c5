"""The argv of every command, apart from running any."""

from __future__ import annotations

from pathlib import Path

from iac_agent.terraform import argv
from iac_agent.terraform.argv import Inputs


def test_plan_passes_everything_through() -> None:
    inputs = Inputs(("a=1", 'b=["x"]'), ("/x.tfvars",), "30s", 5)
    built = argv.plan(inputs, Path("p"), targets=("a.b",))
    assert built[0] == "plan"
    for wanted in ("-input=false", "-json", "-out=p", "-detailed-exitcode", "-target=a.b", "-var=a=1", 'b=["x"]', "-var-file=/x.tfvars"):
        assert any(wanted in argument for argument in built), wanted
    assert "-lock-timeout=30s" in built
    assert "-parallelism=5" in built


def test_what_is_not_asked_for_is_not_passed() -> None:
    built = argv.plan(Inputs(), Path("p"))
    assert sorted(built) == ["-detailed-exitcode", "-input=false", "-json", "-out=p", "plan"]


def test_apply_takes_a_plan_file_and_no_variables() -> None:
    assert sorted(argv.apply(Path("p"), Inputs(("a=1",), ("f",), "5s"))) == ["-input=false", "-json", "-lock-timeout=5s", "apply", "p"]


def test_the_rest() -> None:
    assert argv.show() == ["show", "-json", "-no-color"]
    assert argv.show(Path("p"))[:2] == ["show", "-json"] or "p" in argv.show(Path("p"))
    assert argv.version() == ["version", "-json"]
    assert argv.workspace_show() == ["workspace", "show"]
    assert set(argv.init()) == {"init", "-input=false", "-no-color"}
    assert argv.import_resource("a.b", "/id", Inputs())[0] == "import"
