"""`make demo-drift`: Azure is changed behind Terraform's back three times, each time as people do it; iacagent finds it and reconciles it.

One change is made in the portal by a real browser, one with the real `az`, one with the azure-mgmt SDK. Where Chromium or az is not
installed the demo says so, and makes the ARM calls that they make. Nothing is written outside .demo/ and a gym of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3
from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient

from iac_agent.gym import identity
from iac_agent.gym.daemon import Gym

ROOT = Path(__file__).resolve().parent.parent
GROUP, VM, NSG = "rg-shop-web", "vm-shop-web", "nsg-shop-web"
BASE = f"/subscriptions/{identity.SUBSCRIPTION}/resourceGroups/{GROUP}/providers"
NSG_ID = f"{BASE}/Microsoft.Network/networkSecurityGroups/{NSG}"
VM_ID = f"{BASE}/Microsoft.Compute/virtualMachines/{VM}"
SCRIPT = next(p for p in identity.PRINCIPALS if p.name == "ops-script")
RULE = {"priority": 200, "direction": "Inbound", "access": "Allow", "protocol": "Tcp", "sourceAddressPrefix": "*", "sourcePortRange": "*"}


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def iacagent(work: Path, *command: str) -> None:
    """Run iacagent; stop the demo when it fails."""
    say(f"$ iacagent {' '.join(command)}")
    argv = [sys.executable, "-m", "iac_agent.cli.main", "-C", str(work), *command]
    code = subprocess.run(argv, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        sys.exit(code)


# --- three people --------------------------------------------------------------------------------------------------------


def in_the_portal(gym: Gym) -> None:
    """Alice opens SSH to the world, in a browser."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    say("Alice opens SSH to the world in the portal.")
    if browser is None:
        print("  (Chromium is not installed: the demo makes the call that the portal makes.)")
        call(
            gym,
            "alice@contoso.com",
            "PUT",
            f"{NSG_ID}/securityRules/open-ssh",
            {"properties": {**RULE, "destinationPortRange": "22", "destinationAddressPrefix": "*"}},
        )
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        window = driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = window.new_page(ignore_https_errors=True)
        page.goto(f"{gym.status().endpoint}/portal")
        page.get_by_role("link", name=NSG).click()
        row = page.locator("tr", has=page.get_by_role("button", name="Add rule"))
        for label, value in {"Rule name": "open-ssh", "Priority": "200", "Port": "22"}.items():
            row.get_by_label(label).fill(value)
        row.get_by_role("button", name="Add rule").click()
        page.get_by_text("Saved rule open-ssh.").wait_for()
        print(f"  {page.url.split('#')[0]}: {page.locator('#notice').inner_text()}")
        window.close()


def with_az(gym: Gym) -> None:
    """A script resizes the machine."""
    az = shutil.which("az") or shutil.which("az", path=str(ROOT / ".tools" / "az" / "bin"))
    say(f"An operations script runs: az vm resize -g {GROUP} -n {VM} --size Standard_D4s_v5")
    if az is None:
        print("  (az is not installed: the demo makes the call that az makes. `make tools` installs it.)")
        body = call(gym, "ops-script", "GET", VM_ID)
        body["properties"]["hardwareProfile"]["vmSize"] = "Standard_D4s_v5"
        call(gym, "ops-script", "PUT", VM_ID, body, "AZURECLI/2.91.0")
        return
    endpoint = gym.status().endpoint
    quietly = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([az, "cloud", "register", "-n", "Gym", "--endpoint-resource-manager", endpoint], **quietly)
    subprocess.run([az, "cloud", "set", "-n", "Gym"], **quietly)
    subprocess.run(
        [az, "login", "--service-principal", "-u", SCRIPT.app, "-p", identity.SECRET, "--tenant", identity.TENANT, "-o", "none"], **quietly
    )
    subprocess.run(
        [az, "vm", "resize", "-g", GROUP, "-n", VM, "--size", "Standard_D4s_v5", "--query", "hardwareProfile.vmSize", "-o", "tsv"],
        check=True,
    )


def with_the_sdk(gym: Gym) -> None:
    """The same script's SDK makes a disk."""
    say("The same script makes a disk with the azure-mgmt-compute SDK.")
    endpoint, authority = gym.status().endpoint, str(gym.folder / "ca.pem")
    credential = ClientSecretCredential(
        identity.TENANT, SCRIPT.app, identity.SECRET, authority=endpoint, disable_instance_discovery=True, connection_verify=authority
    )
    client = ComputeManagementClient(
        credential,
        identity.SUBSCRIPTION,
        base_url=endpoint,
        credential_scopes=[f"{endpoint}/.default"],
        connection_verify=authority,
        polling_interval=0,
    )
    wanted = {
        "location": "westeurope",
        "sku": {"name": "StandardSSD_LRS"},
        "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 128},
    }
    made = client.disks.begin_create_or_update(GROUP, "disk-shop-reports", wanted).result()
    print(f"  {made.name}, {made.disk_size_gb} GB")


def call(gym: Gym, who: str, method: str, path: str, body: Any = None, agent: str = "Mozilla/5.0") -> Any:
    """One ARM call by a principal of the gym."""
    endpoint, pool = gym.status().endpoint, urllib3.PoolManager(ca_certs=str(gym.folder / "ca.pem"))
    form = {"client_id": identity.CLIENT_ID, "client_secret": identity.SECRET, "grant_type": "client_credentials"}
    own = pool.request("POST", f"{endpoint}/{identity.TENANT}/oauth2/v2.0/token", fields=form, encode_multipart=False).json()
    asked = pool.request("GET", f"{endpoint}/gym/token?principal={quote(who)}", headers={"authorization": f"Bearer {own['access_token']}"})
    headers = {"authorization": f"Bearer {asked.json()['access_token']}", "user-agent": agent, "content-type": "application/json"}
    answer = pool.request(method, f"{endpoint}{path}?api-version=2025-01-01", body=json.dumps(body) if body else None, headers=headers)
    if answer.status >= 300:
        sys.exit(f"{method} {path}: {answer.status} {answer.data.decode()}")
    return answer.json()


# --- the demo ------------------------------------------------------------------------------------------------------------


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="iacagent-demo-"))
    work = ROOT / ".demo" / "web-tier-drift"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(ROOT / "examples" / "web-tier", work, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*", ".iacagent"))
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    terraform = [sys.executable, "-m", "iac_agent.cli.terraform"]
    gym = Gym(folder)
    try:
        gym.up()
        os.environ.update(gym.environment(5))
        say("$ cp -r examples/web-tier .demo/web-tier-drift && terraform apply")
        subprocess.run([*terraform, "init", "-input=false", "-no-color"], cwd=work, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(
            [*terraform, "apply", "-auto-approve", "-no-color", "-compact-warnings"], cwd=work, check=True, stdout=subprocess.DEVNULL
        )
        in_the_portal(gym)
        with_az(gym)
        with_the_sdk(gym)
        iacagent(work, "drift", "detect")
        decisions = {
            "azurerm_linux_virtual_machine.web": "adopt",
            "azurerm_network_security_group.web": "revert",
            "disk-shop-reports": "import",
        }
        decided = [x for what, action in decisions.items() for x in ("--decide", f"{what}={action}")]
        iacagent(work, "drift", "reconcile", *decided, "--auto-approve")
        say("$ terraform plan")
        subprocess.run([*terraform, "plan", "-no-color", "-detailed-exitcode", "-compact-warnings"], cwd=work, check=True)
        iacagent(work, "drift", "detect")
        iacagent(work, "audit", "verify")
    finally:
        gym.remove()


if __name__ == "__main__":
    main()
