"""Writes docs/comments: the comments of real plans of 0, 1, 50 and 5,000 changes, as they are posted on GitHub.

python -m tests.review.showcase
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from iac_agent.gym.daemon import Gym
from iac_agent.review.forges.github import LIMIT
from tests.conftest import ROOT
from tests.review.stage import Stage, raised

OUT = ROOT / "docs" / "comments"
LINK = "https://bot.example.com/reviews/6f1b7c"
DISKS = """
resource "azurerm_managed_disk" "data" {
  for_each             = jsondecode(file("${path.module}/disks.json"))
  name                 = "disk-${each.key}"
  location             = module.web.location
  resource_group_name  = module.web.group
  storage_account_type = each.value.type
  create_option        = "Empty"
  disk_size_gb         = each.value.size
  zone                 = each.value.zone
}
"""
# Terraform evaluates a large for_each anew for each of its instances: thousands of disks are counted.
BULK = """
resource "azurerm_managed_disk" "bulk" {
  count                = var.bulk
  name                 = "disk-bulk-${count.index}"
  location             = module.web.location
  resource_group_name  = module.web.group
  storage_account_type = "StandardSSD_LRS"
  create_option        = "Empty"
  disk_size_gb         = 32
}

variable "bulk" {
  type    = number
  default = 0
}
"""
OUTPUTS = "".join(
    f'output "{n}" {{\n  value = azurerm_resource_group.this.{a}\n}}\n' for n, a in (("group", "name"), ("location", "location"))
)


def disks(count: int) -> dict[str, dict[str, object]]:
    return {f"{n:04}": {"type": "StandardSSD_LRS", "size": 32, "zone": "1"} for n in range(count)}


def changed(held: int, changes: int) -> dict[str, dict[str, object]]:
    """A tenth of the disks that are there goes, a tenth is replaced, a third grows."""
    found = disks(held)
    names = list(found)
    few = min(held // 10, changes)
    for name in names[:few]:
        del found[name]
    for name in names[few : 2 * few]:
        found[name]["zone"] = "2"
    for name in names[2 * few : 2 * few + held // 3]:
        found[name]["size"] = 64
    return found


def shown(stage: Stage, changes: int, held: int) -> str:
    """The comment on a pull request of so many changes."""
    stage.branch(f"change-{changes}")
    if changes == 1:
        told = disks(held)
        told["0007"]["size"] = 64
    else:
        told = changed(held, changes) if changes else disks(held)
    new = max(0, changes - 2 * (held // 10) - held // 3)
    stage.write({"live/web/terraform.tfvars": f"bulk = {new}\n"} if new else {})
    stage.write({"live/web/disks.json": json.dumps(told, indent=1) + ("\n" if changes else "\n\n")})
    pull = stage.pull(f"{changes} changes", branch=f"change-{changes}")
    bot = stage.bot()
    bot.page = lambda *_: LINK
    bot.review(bot.forge.pull(pull.number))
    return stage.forge.said(pull.number)[0]


def main() -> None:
    OUT.mkdir(exist_ok=True)
    gym = Gym(Path(tempfile.mkdtemp(prefix="ia-")))
    gym.up()
    try:
        with tempfile.TemporaryDirectory() as folder, raised(Path(folder), gym) as stage:
            stage.write(
                {"live/web/disks.tf": DISKS + BULK, "live/web/disks.json": json.dumps(disks(60)), "modules/machine/outputs.tf": OUTPUTS}
            )
            stage.on_main("Disks for web")
            stage.terraform("live/web", "apply", "-auto-approve")
            for changes in (0, 1, 50, 5_000):
                text = shown(stage, changes, 60)
                assert len(text) <= LIMIT
                (OUT / f"{changes}.md").write_text(text, encoding="utf-8")
                print(f"{changes:>5} changes: {len(text):,} characters of {LIMIT:,}")
    finally:
        gym.remove()


if __name__ == "__main__":
    main()
