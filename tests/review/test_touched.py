"""Which root modules a change touches: a table of changes to one repository, each committed with git; none missed, none needless."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from iac_agent.review.checkout import Checkouts
from iac_agent.review.touched import Change, Pattern, Repository, touched
from tests.conftest import Figure
from tests.review.repositories import FILES, LOCAL, PROVIDER, add, commit, drop, git, link, made, move, put

PATTERNS = (Pattern("live/jobs", ("dev", "prod"), ("env/{workspace}.tfvars",), ("azure.tfbackend",)), Pattern("*"))
JOBS = {"live/jobs (dev)", "live/jobs (prod)"}
ALL_VM = {"live/web"} | JOBS
NONE: set[str] = set()
ODD = ("[z-a].txt", "[]", "*a" * 9 + "b")


def both(*steps: Callable[[Path], None]) -> Callable[[Path], None]:
    def run(top: Path) -> None:
        for step in steps:
            step(top)

    return run


def w(name: str, text: str) -> Callable[[Path], None]:
    return lambda top: put(top, name, text)


def a(name: str, text: str = "\n# more\n") -> Callable[[Path], None]:
    return lambda top: add(top, name, text)


def d(name: str) -> Callable[[Path], None]:
    return lambda top: drop(top, name)


def m(name: str, to: str) -> Callable[[Path], None]:
    return lambda top: move(top, name, to)


def ln(name: str, target: str) -> Callable[[Path], None]:
    return lambda top: link(top, name, target)


TABLE: list[tuple[str, Callable[[Path], None], set[str]]] = [
    # the root module itself
    ("a file of the root module", a("live/web/main.tf"), {"live/web"}),
    ("a new file in it", w("live/web/extra.tf", "locals {}\n"), {"live/web"}),
    ("its only file goes", d("live/plain/main.tf"), {"live/plain"}),
    ("a file of it is renamed", m("live/web/main.tf", "live/web/all.tf"), {"live/web"}),
    ("an override file", w("live/net/override.tf", "locals {}\n"), {"live/net"}),
    ("JSON syntax", w("live/data/main.tf.json", '{"module": {"s": {"source": "../../modules/storage"}}}'), {"live/data"}),
    ("a second JSON file", w("live/web/x.tf.json", "{}"), {"live/web"}),
    ("a broken file", w("live/web/broken.tf", "resource {{{\n"), {"live/web"}),
    ("its only file is broken", w("live/net/main.tf", "resource {{{\n"), {"live/net"}),
    ("a file of OpenTofu, which the gate will refuse", w("live/web/x.tofu", "locals {}\n"), {"live/web"}),
    ("windows line ends", w("live/net/main.tf", FILES["live/net/main.tf"].replace("\n", "\r\n")), {"live/net"}),
    ("a name in another script", w("live/net/größe.tf", "locals {}\n"), {"live/net"}),
    # beside it, and not read
    ("a README", a("live/net/README.md"), NONE),
    ("a text file", a("live/web/notes.txt"), NONE),
    ("a hidden file of an editor", w("live/web/.#main.tf", "x"), NONE),
    ("a backup of an editor", w("live/web/main.tf~", "x"), NONE),
    ("a folder below with no configuration", w("live/web/docs/a.md", "x"), NONE),
    ("the README of the repository", a("README.md"), NONE),
    ("the rules of the guard", a(".iacagent.yaml"), NONE),
    ("a file without an ending", w("live/web/tf", "x"), NONE),
    # variables
    ("terraform.tfvars", a("live/web/terraform.tfvars"), {"live/web"}),
    ("terraform.tfvars goes", d("live/web/terraform.tfvars"), {"live/web"}),
    ("a new terraform.tfvars", w("live/net/terraform.tfvars", "a = 1\n"), {"live/net"}),
    ("terraform.tfvars.json", w("live/net/terraform.tfvars.json", "{}"), {"live/net"}),
    ("an .auto.tfvars", a("live/web/10.auto.tfvars"), {"live/web"}),
    ("an .auto.tfvars.json", w("live/web/9.auto.tfvars.json", "{}"), {"live/web"}),
    ("a tfvars that nothing loads", a("live/web/unloaded.tfvars"), NONE),
    ("a tfvars in a module, which Terraform does not load", w("modules/vm/terraform.tfvars", "z = 2\n"), NONE),
    ("an .auto.tfvars one folder below", w("live/web/sub/a.auto.tfvars", "a = 1\n"), NONE),
    ("an example of tfvars", a("modules/net/terraform.tfvars.example"), NONE),
    # lock files
    ("the lock file", a("live/web/.terraform.lock.hcl"), {"live/web"}),
    ("a new lock file", w("live/net/.terraform.lock.hcl", "# new\n"), {"live/net"}),
    # modules
    ("a module of one root module", a("modules/storage/main.tf"), {"live/data"}),
    ("a module that a module calls", a("modules/net/subnet/main.tf"), {"live/net"}),
    ("a module that several call, one of them through a link", a("modules/vm/main.tf"), ALL_VM),
    ("a variable of that module", a("modules/vm/variables.tf"), ALL_VM),
    ("a new file in a module", w("modules/storage/more.tf", "locals {}\n"), {"live/data"}),
    ("a file of a module goes", d("modules/vm/variables.tf"), ALL_VM),
    ("a module that nobody calls", a("modules/unused/main.tf"), NONE),
    ("a test of a module", a("modules/web/web.tftest.hcl"), NONE),
    ("a file that a module reads", a("modules/web/files/motd"), {"live/web"}),
    ("a file in a module that it does not read", a("modules/web/files/other"), NONE),
    ("a module moves, and its caller follows", both(
        m("modules/storage", "modules/store"),
        w("live/data/main.tf.json", '{"module": {"s": {"source": "../../modules/store"}}, "provider": {"azurerm": {"features": {}}}}'),
    ), {"live/data"}),
    ("a module moves away from under its caller", m("modules/storage", "modules/store"), {"live/data"}),
    ("a module is called for the first time", w(
        "live/net/more.tf", 'module "u" {\n  source = "../../modules/unused"\n}\n'
    ), {"live/net"}),
    ("a called module is edited in the same change that calls it", both(
        w("live/net/more.tf", 'module "u" {\n  source = "../../modules/unused"\n}\n'), a("modules/unused/main.tf")
    ), {"live/net"}),
    ("a call goes, and its module in the same change", both(
        w("live/data/main.tf.json", '{"terraform": {"backend": {"local": {}}}}'), d("modules/storage")
    ), {"live/data"}),
    ("a module becomes a nested one of another", both(
        w("modules/storage/main.tf", 'module "u" {\n  source = "../unused"\n}\n'), a("modules/unused/main.tf")
    ), {"live/data"}),
    ("a source with two slashes", both(
        w("live/net/more.tf", 'module "u" {\n  source = "../..//modules/unused"\n}\n'), a("modules/unused/main.tf")
    ), {"live/net"}),
    # files that functions read
    ("yaml that file() reads", a("live/web/config.yaml"), {"live/web"}),
    ("yaml beside it that nothing reads", a("live/web/other.yaml"), NONE),
    ("a template", a("live/web/templates/init.tftpl"), {"live/web"}),
    ("a template that nothing uses", a("live/web/templates/unused.tftpl"), NONE),
    ("a key that a loop reads", a("live/web/keys/a.pub"), {"live/web"}),
    ("a key that the loop does not reach", a("live/web/keys/c.pub"), NONE),
    ("a file above the root module", a("shared/teams.json"), {"live/web"}),
    ("a file that is read goes", d("live/web/config.yaml"), {"live/web"}),
    ("a file that is read becomes a link", ln("live/web/config.yaml", "other.yaml"), {"live/web"}),
    ("what such a link points to", both(ln("live/web/config.yaml", "other.yaml"), a("live/web/other.yaml")), {"live/web"}),
    ("a file of a fileset", a("live/data/rules/one.yaml"), {"live/data"}),
    ("one in a deeper folder", a("live/data/rules/deep/two.yaml"), {"live/data"}),
    ("a new one", w("live/data/rules/three.yaml", "x: 3\n"), {"live/data"}),
    ("one that goes", d("live/data/rules/one.yaml"), {"live/data"}),
    ("one that the pattern does not fit", a("live/data/rules/README.md"), NONE),
    ("a file of which only the folder is known", a("live/plain/texts/a.txt"), {"live/plain"}),
    ("one in another folder", a("live/plain/other/b.txt"), NONE),
    ("a file is read for the first time", both(
        w("live/net/more.tf", 'locals {\n  t = file("../../README.md")\n}\n'), a("README.md")
    ), {"live/net"}),
    # links
    ("what a linked file points to", a("shared/common.tf"), {"live/net"}),
    ("a linked file points elsewhere", ln("live/net/common.tf", "../../modules/unused/main.tf"), {"live/net"}),
    ("a linked file becomes a real one", both(d("live/net/common.tf"), w("live/net/common.tf", "locals {}\n")), {"live/net"}),
    ("a linked folder of modules points elsewhere", ln("live/jobs/modules", "../../other"), JOBS),
    # workspaces
    ("the variables of one workspace", a("live/jobs/env/dev.tfvars"), {"live/jobs (dev)"}),
    ("those of the other", a("live/jobs/env/prod.tfvars"), {"live/jobs (prod)"}),
    ("yaml that one workspace reads", a("live/jobs/env/prod.yaml"), {"live/jobs (prod)"}),
    ("the configuration of all workspaces", a("live/jobs/main.tf"), JOBS),
    ("the backend of all workspaces", a("live/jobs/azure.tfbackend"), JOBS),
    # root modules that come, go and move
    ("a new root module", w("live/new/main.tf", PROVIDER), {"live/new"}),
    ("a new one beside a change of another", both(w("live/new/main.tf", PROVIDER), a("live/web/main.tf")), {"live/new", "live/web"}),
    ("a root module goes", d("live/data"), {"live/data"}),
    ("a root module moves", m("live/plain", "live/simple"), {"live/plain", "live/simple"}),
    ("a new module that nobody calls", w("modules/new/main.tf", "locals {}\n"), NONE),
    ("a root module at the top", w("main.tf", LOCAL), {"."}),
    ("nothing", lambda top: None, NONE),
    ("everything", both(a("modules/vm/main.tf"), a("modules/storage/main.tf"), a("modules/net/main.tf"), a("live/plain/main.tf")),
     {"live/web", "live/data", "live/net", "live/plain"} | JOBS),
    # what an examiner found
    ("a hidden .auto.tfvars, which Terraform loads", w("live/web/.secret.auto.tfvars", 'size = "x"\n'), {"live/web"}),
    ("a state that is committed", w("live/plain/terraform.tfstate", "{}"), {"live/plain"}),
    ("the last resource goes, and the root module stays", w("live/plain/main.tf", "# nothing\n"), {"live/plain"}),
    ("links in a circle", ln("live/net/loop.tf", "loop.tf"), {"live/net"}),
    ("names that no file system takes", w(
        "live/net/more.tf", 'locals {\n  a = file("' + "x" * 300 + '")\n  b = file("a\\u0000b")\n  c = file("~nobody/x")\n}\n'
    ), {"live/net"}),
    ("patterns that are none", w(
        "live/net/more.tf", "".join(f'locals {{\n  a{n} = fileset(".", "{p}")\n}}\n' for n, p in enumerate(ODD))
    ), {"live/net"}),
    ("yaml that is no yaml", w("live/web/config.yaml", "d: 2024-02-30\nop: =\na: &a [*a]\n"), {"live/web"}),
    ("a folder that is named as a file", w("live/net/x.tf/readme", "x"), NONE),
    ("a folder with nothing but checks", w("live/checks/main.tf", 'check "x" {\n}\n'), {"live/checks"}),
    ("only the mode of a file", lambda top: (top / "live/web/main.tf").chmod(0o755), {"live/web"}),
]  # fmt: skip


def reading(*lines: str) -> Callable[[Path], None]:
    """More of live/net, with these locals."""
    return w("live/net/more.tf", "".join(f"locals {{\n  l{n} = {line}\n}}\n" for n, line in enumerate(lines)))


VARIABLE = 'variable "{0}" {{\n  type    = string\n  default = "{1}"\n}}\n'
# What an examiner found: what is there first, and then the change.
EXAMINED: list[tuple[str, Callable[[Path], None], Callable[[Path], None], set[str]]] = [
    ("a path that nothing is known of may be any file", reading('file(terraform_data.x.id == "" ? "../../x.txt" : "../../y.txt")'),
     w("x.txt", "x"), {"live/net"}),
    ("a path through join()", reading('file(join("/", ["../../shared", terraform_data.x.id]))'), w("shared/new.txt", "x"), {"live/net"}),
    ("a template that reads another file", w("live/web/templates/init.tftpl", '${file("live/../inc.txt")}\n'), w("live/web/inc.txt", "x"),
     {"live/web"}),
    ("a pattern that leads out of its folder", reading('fileset("a", "../b/*.txt")'), w("live/net/b/x.txt", "x"), {"live/net"}),
    ("a pattern with a point", reading('fileset("b", "./*.txt")'), w("live/net/b/x.txt", "x"), {"live/net"}),
    ("two stars that are no part of their own", reading('fileset("b", "**.txt")'), w("live/net/b/c/x.txt", "x"), NONE),
    ("a link in a folder whose files are found", both(reading('fileset("b", "**")'), ln("live/net/b/l", "../../../shared/x")),
     w("shared/x/y.txt", "x"), {"live/net"}),
    ("a link on the way of a link", both(ln("l1", "shared"), ln("live/net/common.tf", "../../l1/common.tf")),
     ln("l1", "other"), {"live/net"}),
    ("two dots behind a link are cleaned first", both(
        ln("live/net/link", "../../shared/deep"), w("live/net/more.tf", 'module "o" {\n  source = "./link/../other"\n}\n'),
        w("live/net/other/main.tf", "locals {}\n"),
    ), w("live/net/other/main.tf", "locals {\n}\n"), {"live/net"}),
    ("the variable of an override file", both(
        w("live/net/x_override.tf", VARIABLE.format("p", "../../shared/b.txt")),
        w("live/net/more.tf", VARIABLE.format("p", "a.txt") + "locals {\n  t = file(var.p)\n}\n"),
    ), w("shared/b.txt", "x"), {"live/net"}),
    ("names of files from one folder, files from another", reading('{ for f in fileset("names", "*") : f => file("contents/${f}") }'),
     w("live/net/contents/x", "x"), {"live/net"}),
    ("a root module that is linked", ln("live/linked", "plain"), a("live/plain/main.tf"), {"live/plain", "live/linked"}),
    ("a program that runs as it is planned", w(
        "live/net/more.tf", 'data "external" "x" {\n  program = ["python3", "${path.module}/x.py"]\n}\n'
    ), w("live/net/x.py", "print()"), {"live/net"}),
    ("dirname", reading('file("${dirname("x.txt")}/b.txt")'), w("live/net/b.txt", "x"), {"live/net"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Repository]:
    folder = tmp_path_factory.mktemp("touched")
    first = made(folder / "repository")
    return folder / "repository", first, Repository(Checkouts(folder / "repository", folder / "base").at(first), PATTERNS)


def look(repository: tuple[Path, str, Repository], change: Callable[[Path], None], folder: Path) -> Change:
    top, first, before = repository
    git(top, "checkout", "--quiet", "--force", "--detach", first)
    git(top, "clean", "-fdxq")
    change(top)
    head = commit(top)
    checkouts = Checkouts(top, folder)
    return touched(before, Repository(checkouts.at(head), PATTERNS), checkouts.changed(first, head))


def test_root_modules_that_a_change_touches(repository: tuple[Path, str, Repository], tmp_path: Path, figure: Figure) -> None:
    wrong = []
    for number, (what, change, expected) in enumerate(TABLE):
        found = {t.target.name for t in look(repository, change, tmp_path / str(number)).touched}
        if found != expected:
            wrong.append(f"{what}: found {sorted(found)}, expected {sorted(expected)}")
    figure("changes whose root modules are all found, and no others", len(TABLE) - len(wrong), len(TABLE))
    assert not wrong, "\n".join(wrong)


def test_what_an_examiner_found(repository: tuple[Path, str, Repository], tmp_path: Path, figure: Figure) -> None:
    top, first, _ = repository
    wrong = []
    for number, (what, setup, change, expected) in enumerate(EXAMINED):
        git(top, "checkout", "--quiet", "--force", "--detach", first)
        git(top, "clean", "-fdxq")
        setup(top)
        base = commit(top)
        change(top)
        head = commit(top)
        checkouts = Checkouts(top, tmp_path / str(number))
        before, after = (Repository(checkouts.at(c), PATTERNS) for c in (base, head))
        found = {t.target.name for t in touched(before, after, checkouts.changed(base, head)).touched}
        if found != expected:
            wrong.append(f"{what}: found {sorted(found)}, expected {sorted(expected)}")
    figure("changes whose root modules are all found, and no others", len(EXAMINED) - len(wrong), len(EXAMINED))
    assert not wrong, "\n".join(wrong)


def test_what_it_was_touched_by_is_told(repository: tuple[Path, str, Repository], tmp_path: Path) -> None:
    change = look(repository, both(a("modules/vm/main.tf"), a("live/web/unloaded.tfvars"), d("live/data")), tmp_path)

    by = {t.target.name: t for t in change.touched}

    assert by["live/web"].by == ("modules/vm/main.tf",)
    assert by["live/data"].gone
    assert change.unread == ("live/web/unloaded.tfvars",)
