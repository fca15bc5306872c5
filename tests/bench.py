"""`make bench`: measure what DESIGN.md and the README promise, each figure beside its budget."""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from iac_agent.cli.main import collect_rarely
from iac_agent.gym import identity
from iac_agent.gym.daemon import Gym
from iac_agent.hcl.changeset import apply_edits
from iac_agent.hcl.edits import SetAttribute
from iac_agent.hcl.module import RootModule
from iac_agent.planner.builtin import BuiltinPlanner
from iac_agent.planner.protocol import ChangeSet, Context
from iac_agent.terraform.binary import find
from iac_agent.terraform.models import State
from tests.conftest import ROOT
from tests.planner import table

IACAGENT = [sys.executable, "-m", "iac_agent.cli.main"]


def show(what: str, figure: str, budget: str, within: bool | None) -> None:
    mark = {True: "ok", False: "OVER", None: ""}[within]
    print(f"{what:<58} {figure:>16}   {budget:<18} {mark}", flush=True)


def median(run: Callable[[], float], times: int = 5) -> float:
    return statistics.median(run() for _ in range(times))


def seconds(command: list[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=cwd, env=env, capture_output=True, check=True)
    return time.perf_counter() - started


@contextmanager
def running_gym() -> Iterator[Gym]:
    gym = Gym(Path(tempfile.mkdtemp(prefix="ia-")))
    try:
        gym.up()
        yield gym
    finally:
        gym.remove()


def bench_help() -> None:
    took = median(lambda: seconds([*IACAGENT, "--help"]), 9)
    show("iacagent --help", f"{took * 1000:.0f} ms", "<= 200 ms", took <= 0.2)
    code = "import sys; from iac_agent.cli.main import run; run(['--help']); sys.exit(any(m in sys.modules for m in ('openai', 'azure')))"
    clean = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
    show("  openai and azure-mgmt stay out of it", "yes" if clean else "no", "yes", clean)


def bench_start() -> None:
    def once() -> float:
        folder = Path(tempfile.mkdtemp(prefix="ia-"))
        took = seconds([*IACAGENT, "gym", "up", "--dir", str(folder)])
        Gym(folder).remove()
        return took

    took = median(once, 3)
    show("gym up, from nothing", f"{took:.2f} s", "<= 2 s", took <= 2)


def _fill(gym: Gym, folder: Path, resources: int) -> dict[str, str]:
    """A root module of this many route tables, applied; returns the environment."""
    text = 'resource "azurerm_resource_group" "g" {\n  name     = "rg"\n  location = "westeurope"\n}\n'
    text += "".join(
        f'resource "azurerm_route_table" "r{n}" {{\n  name                = "r{n}"\n  location            = "westeurope"\n'
        "  resource_group_name = azurerm_resource_group.g.name\n}\n"
        for n in range(resources - 1)
    )
    folder.mkdir(parents=True)
    (folder / "main.tf").write_text(text)
    environment = {**os.environ, **gym.environment(5)}
    for arguments in (["init", "-input=false"], ["apply", "-auto-approve", "-input=false", "-parallelism=20"]):
        subprocess.run([*find().command, *arguments], cwd=folder, env=environment, capture_output=True, check=True)
    return environment


def bench_plan(gym: Gym, base: Path) -> None:
    for count in (10, 100, 1000):
        gym.reset()
        folder = base / f"plan{count}"
        environment = _fill(gym, folder, count)
        took = median(lambda f=folder, e=environment: seconds([*find().command, "plan", "-input=false"], f, e), 3)
        show(f"terraform plan in the sandbox, {count} resources", f"{took:.2f} s", "", None)


def bench_reads(gym: Gym) -> None:
    """GETs of one resource over four kept-alive connections, in this process; the gym has a core of its own on two."""
    import urllib3

    from iac_agent.gym.provider.client import ArmHttp

    gym.reset()
    group = f"/subscriptions/{identity.SUBSCRIPTION}/resourceGroups/rg"
    arm = ArmHttp(gym.status().endpoint, gym.folder / "ca.pem", 5)
    arm.put(group, {"location": "westeurope"}, "2023-07-01")
    vnet = f"{group}/providers/Microsoft.Network/virtualNetworks/v"
    arm.put(vnet, {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}}, "2025-01-01")
    url, headers = f"{gym.status().endpoint}{vnet}?api-version=2025-01-01", {"authorization": arm._authorization()}
    pool = urllib3.PoolManager(ca_certs=str(gym.folder / "ca.pem"), maxsize=4)
    each = 750

    def read() -> None:
        for _ in range(each):
            assert pool.request("GET", url, headers=headers).status == 200

    threads = [threading.Thread(target=read) for _ in range(4)]
    pid, tick = int((gym.folder / "arm.pid").read_text()), os.sysconf("SC_CLK_TCK")

    def cpu() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / tick

    before, started = cpu(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, used = time.perf_counter() - started, cpu() - before
    show("gym ARM reads, as a client sees them", f"{4 * each / took:.0f} /s", "", None)
    show("gym ARM reads per second of one core", f"{4 * each / used:.0f} /s", ">= 500 /s", 4 * each / used >= 500)


def _spread(folder: Path, files: int) -> None:
    """examples/web-tier plus files of locals and variables, to this many files."""
    shutil.copytree(ROOT / "examples" / "web-tier", folder)
    have = len(list(folder.glob("*.tf")))
    body = "".join(f'  key_{n} = {{\n    name = "value {n}"\n    list = ["a", "b", var.prefix]\n  }}\n' for n in range(12))
    for number in range(max(0, files - have)):
        (folder / f"extra{number}.tf").write_text(f"locals {{\n  extra_{number} = {{\n{body}  }}\n}}\n")


def bench_own_time(gym: Gym, base: Path) -> None:
    """`iacagent plan` less the Terraform commands it runs, timed alone in the same directory."""
    for files in (1, 50, 200):
        gym.reset()
        folder = base / f"own{files}"
        _spread(folder, files)
        if files == 1:
            text = "\n".join(p.read_text() for p in sorted(folder.glob("*.tf")))
            for path in folder.glob("*.tf"):
                path.unlink()
            (folder / "main.tf").write_text(text)
        environment = {**os.environ, **gym.environment(5)}
        for arguments in (["init", "-input=false"], ["apply", "-auto-approve", "-input=false"]):
            subprocess.run([*find().command, *arguments], cwd=folder, env=environment, capture_output=True, check=True)

        def terraform(f: Path = folder, e: dict[str, str] = environment) -> float:
            total = seconds([*find().command, "show", "-json"], f, e)
            total += seconds([*find().command, "plan", "-json", "-out=p", "-input=false"], f, e)
            return total + seconds([*find().command, "show", "-json", "p"], f, e)

        alone = median(terraform, 3)
        whole = median(lambda f=folder, e=environment: seconds([*IACAGENT, "plan", "make vm spot"], f, e), 5)
        own = whole - alone
        show(f"own time on top of Terraform's in plan, {files} file(s)", f"{own:.2f} s", "<= 1 s", own <= 1)


def bench_edits(base: Path) -> None:
    """One edit of a 60-line file, every time another one: parse, edit, prove with both parsers."""
    folder = base / "edits"
    shutil.copytree(ROOT / "examples" / "web-tier", folder)
    edit = SetAttribute("azurerm_linux_virtual_machine.web", "size", '"Standard_D4s_v5"')
    file = next(iter(apply_edits(folder, [edit]).files))
    text, elapsed, count = file.read_text(), 0.0, 30
    for number in range(count):
        file.write_text(f"{text}\nlocals {{\n  round = {number}\n}}\n")
        started = time.perf_counter()
        apply_edits(folder, [edit])
        elapsed += time.perf_counter() - started
    show("HCL edits, each proven by both parsers", f"{count / elapsed:.0f} /s", "", None)


def _thousand(folder: Path) -> Context:
    """A root module of 1,000 resources: machines with interfaces and disks, tags and location by reference."""
    folder.mkdir()
    (folder / "main.tf").write_text(
        'variable "tags" {\n  default = { env = "prod" }\n}\nresource "azurerm_resource_group" "rg" {\n  name     = "rg"\n  '
        'location = "westeurope"\n}\n'
    )
    common = "  location = azurerm_resource_group.rg.location\n  tags     = var.tags\n"
    for i in range(333):
        text = f'resource "azurerm_network_interface" "n{i}" {{\n  name = "nic-{i}"\n{common}}}\n'
        text += f'resource "azurerm_managed_disk" "d{i}" {{\n  name = "disk-{i}"\n{common}  disk_size_gb = 64\n}}\n'
        text += (
            f'resource "azurerm_linux_virtual_machine" "m{i}" {{\n  name = "vm-app-{i}"\n{common}  size = "Standard_D2s_v5"\n'
            f"  network_interface_ids = [azurerm_network_interface.n{i}.id]\n}}\n"
        )
        with (folder / f"part{i // 20}.tf").open("a") as file:
            file.write(text)
    return Context(RootModule(folder), State(), 5)


def _keyed(folder: Path) -> Context:
    """A root module of 1,000 resources that are made from 498 elements of one map in tfvars."""
    folder.mkdir()
    (folder / "main.tf").write_text(
        'variable "vms" {\n  type = map(object({ size = string, subnet = string }))\n}\n'
        'resource "azurerm_subnet" "s" {\n  for_each = toset(["app", "db"])\n  name = "snet-${each.key}"\n}\n'
        'resource "azurerm_network_interface" "vm" {\n  for_each = var.vms\n  name = "nic-${each.key}"\n  ip_configuration {\n'
        "    subnet_id = azurerm_subnet.s[each.value.subnet].id\n  }\n}\n"
        'resource "azurerm_linux_virtual_machine" "vm" {\n  for_each = var.vms\n  name = "vm-${each.key}"\n  size = each.value.size\n'
        "  network_interface_ids = [azurerm_network_interface.vm[each.key].id]\n}\n"
    )
    rows = "".join(f'  web-{i} = {{ size = "Standard_D2s_v5", subnet = "{"app" if i % 2 else "db"}" }}\n' for i in range(498))
    (folder / "terraform.tfvars").write_text(f"vms = {{\n{rows}}}\n")
    return Context(RootModule(folder), State(), 5)


def bench_planner(base: Path) -> None:
    collect_rarely()
    flat, keyed = _thousand(base / "thousand"), _keyed(base / "keyed")
    for context, request in (
        (flat, "resize vm-app-17 to Standard_D4s_v5"),
        (flat, "tag vm-app-200 with owner=sre"),
        (flat, "make vm-app-3 spot"),
        (keyed, "resize web-17 to Standard_D4s_v5"),
        (keyed, "create a linux vm called zeta in the app subnet"),
        (keyed, "remove web-17"),
    ):

        def answer(request: str = request, context: Context = context) -> float:
            started = time.perf_counter()
            assert isinstance(BuiltinPlanner().plan(request, context), ChangeSet)
            return time.perf_counter() - started

        took = median(answer)
        show(f"built-in planner, 1000 resources: {request[:24]}...", f"{took * 1000:.0f} ms", "<= 300 ms", took <= 0.3)


def bench_requests(gym: Gym, base: Path) -> None:
    """The rate per recipe over the request tables, with the misses."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    misses = []
    for style in table.STYLES:
        gym.reset()
        place = table.applied(style, base / style, gym)
        for row in table.rows(style):
            why = table.judge(row, place, BuiltinPlanner())
            total[row.recipe] += 1
            right[row.recipe] += not why
            if why:
                misses.append(f"  missed ({style}): {row.ask}: {why[:100]}")
    for recipe in sorted(total):
        show(f"requests planned as they should be, {recipe}", f"{right[recipe]} of {total[recipe]}", "", None)
    share = sum(right.values()) / sum(total.values())
    show("requests planned as they should be, all", f"{sum(right.values())} of {sum(total.values())}", ">= 95 %", share >= 0.95)
    print("\n".join(misses))


def main() -> None:
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {find().name}")
    base = Path(tempfile.mkdtemp(prefix="ia-bench-"))
    try:
        bench_help()
        bench_start()
        bench_edits(base)
        bench_planner(base)
        with running_gym() as gym:
            bench_reads(gym)
            bench_own_time(gym, base)
            bench_plan(gym, base)
            bench_requests(gym, base)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(json.dumps({"largest child process, MB": peak}))


if __name__ == "__main__":
    main()
