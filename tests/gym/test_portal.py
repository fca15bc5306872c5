"""The portal, driven by real Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Sandbox
from tests.drift.actors import Azure
from tests.drift.test_scan import NSG, VM, findings, ids

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here (apt-get install chromium)")


@pytest.fixture
def page(web_tier: Sandbox) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        window = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        opened = window.new_page(ignore_https_errors=True)
        problems: list[str] = []
        opened.on("pageerror", lambda problem: problems.append(str(problem)))
        opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        opened.on("dialog", lambda dialog: dialog.accept())
        opened.goto(f"{web_tier.gym.status().endpoint}/portal")
        opened.get_by_role("heading", name="All resources").wait_for()
        yield opened
        window.close()
        assert [p for p in problems if "(Bad Request)" not in p] == []


def open_(page: Any, name: str) -> None:
    page.get_by_role("link", name="All resources").click()
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=name, exact=True).wait_for()


def test_a_person_lists_filters_and_opens(page: Any) -> None:
    assert page.get_by_role("row").count() == 8
    page.get_by_label("Filter").fill("networkSecurityGroups")
    assert page.locator("tbody tr:visible").count() == 1
    open_(page, "vm-shop-web")
    assert page.locator("#power").inner_text() == "VM running"
    page.reload()
    page.get_by_role("heading", name="vm-shop-web").wait_for()


def test_tags_rules_and_power_are_changed_as_that_person(page: Any, web_tier: Sandbox) -> None:
    open_(page, "vm-shop-web")
    page.get_by_label("Tag name").last.fill("window")
    page.get_by_label("Tag value").last.fill("night")
    page.get_by_role("button", name="Save tags").click()
    page.get_by_text("Saved the tags of vm-shop-web.").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stop: vm-shop-web").wait_for()
    assert page.locator("#power").inner_text() == "VM deallocated"
    page.get_by_label("Signed in as").select_option("dana@contoso.com")
    open_(page, "nsg-shop-web")
    row = page.locator("tr", has=page.get_by_role("button", name="Add rule"))
    for label, value in {"Rule name": "open-all", "Priority": "200", "Port": "22"}.items():
        row.get_by_label(label).fill(value)
    row.get_by_role("button", name="Add rule").click()
    page.get_by_text("Saved rule open-all.").wait_for()
    found = findings(web_tier)
    assert {a: (f["cause"]["who"], f["cause"]["client"]) for a, f in found.items()} == {
        VM: ("alice@contoso.com", "Azure Portal"),
        NSG: ("dana@contoso.com", "Azure Portal"),
    }
    assert found[NSG]["severity"] == "critical"
    page.locator("tr", has=page.locator("input[value=open-all]")).get_by_role("button", name="Delete").click()
    page.get_by_text("Deleted rule open-all.").wait_for()
    assert set(findings(web_tier)) == {VM}


def test_a_resource_is_created_changed_and_deleted(page: Any, web_tier: Sandbox) -> None:
    page.get_by_role("link", name="Create").click()
    page.get_by_label("Name", exact=True).fill("disk-by-hand")
    page.get_by_role("button", name="Create").click()
    page.get_by_text("Created disk-by-hand.").wait_for()
    text = page.get_by_label("Resource JSON")
    text.fill(text.input_value().replace('"diskSizeGB": 32', '"diskSizeGB": 64'))
    page.get_by_role("button", name="Save JSON").click()
    page.get_by_text("Saved disk-by-hand.").wait_for()
    group = ids(web_tier)["azurerm_resource_group.web"]
    disk = f"{group}/providers/Microsoft.Compute/disks/disk-by-hand"
    assert Azure(web_tier.gym).done("GET", disk)["properties"]["diskSizeGB"] == 64
    page.get_by_role("button", name="Delete").click()
    page.get_by_text("Deleted disk-by-hand.").wait_for()
    assert Azure(web_tier.gym).call("GET", disk)[0] == 404
    page.get_by_role("link", name="Activity log").click()
    page.get_by_text("Microsoft.Compute/disks/delete").first.wait_for()


def test_what_azure_refuses_is_shown(page: Any) -> None:
    open_(page, "nsg-shop-web")
    page.get_by_role("button", name="Delete", exact=True).first.click()
    page.get_by_text("InUse").wait_for()
