"""ARM's own rules: signing in, errors, locks, ETags, lists, the activity log; and nothing unknown succeeds."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from iac_agent.gym import identity
from iac_agent.gym.daemon import Gym
from tests.gym.conftest import GROUP, SUBSCRIPTION, Call

VNET = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/v"
SPACE = {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}}
SUBNET = {"name": "s", "properties": {"addressPrefix": "10.0.1.0/24"}}
NIC = f"{GROUP}/providers/Microsoft.Network/networkInterfaces/n"
DISKS = f"{GROUP}/providers/Microsoft.Compute/disks"
MACHINE = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/m"


def _nic(*configurations: str) -> dict[str, Any]:
    subnet = {"id": f"{VNET}/subnets/s"}
    given = [{"name": n, "properties": {"subnet": subnet, "primary": n == configurations[0]}} for n in configurations]
    return {"location": "westeurope", "properties": {"ipConfigurations": given}}


def _machine(**storage: Any) -> dict[str, Any]:
    image = {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"}
    return {
        "location": "westeurope",
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "storageProfile": {"imageReference": image, "osDisk": {"createOption": "FromImage"}, **storage},
            "osProfile": {"computerName": "m", "adminUsername": "u", "adminPassword": "P@ssw0rd1234!"},
            "networkProfile": {"networkInterfaces": [{"id": NIC}]},
        },
    }


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "AuthenticationFailed"),
        ("Bearer x", "InvalidAuthenticationToken"),
        ("Bearer a.b.c", "InvalidAuthenticationTokenTenant"),
        ("Basic x", "AuthenticationFailed"),
    ],
)
def test_a_wrong_token_is_refused(call: Call, authorization: str | None, code: str) -> None:
    status, body = call("GET", GROUP, authorization=authorization)
    assert (status, body["error"]["code"]) == (401, code)


def test_a_wrong_secret_is_refused(gym: Gym) -> None:
    import urllib3

    pool = urllib3.PoolManager(ca_certs=str(gym.folder / "ca.pem"))
    form = {"client_id": identity.CLIENT_ID, "client_secret": "guess", "grant_type": "client_credentials"}
    url = f"{gym.status().endpoint}/{identity.TENANT}/oauth2/v2.0/token"
    answer = pool.request("POST", url, fields=form, encode_multipart=False)
    assert answer.status == 401
    assert "AADSTS7000215" in answer.json()["error_description"]
    pool.clear()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"{GROUP}?none", 400, "MissingApiVersionParameter"),
        ("GET", GROUP, 404, "ResourceGroupNotFound"),
        ("PUT", VNET, 404, "ResourceGroupNotFound"),
        ("GET", "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/x", 404, "SubscriptionNotFound"),
        ("GET", f"{GROUP}/providers/Microsoft.DocumentDB/databaseAccounts/x", 501, "NotEmulated"),
        ("PUT", f"{GROUP}/providers/Microsoft.DocumentDB/databaseAccounts/x", 501, "NotEmulated"),
        ("GET", f"{GROUP}/providers/Microsoft.DocumentDB/databaseAccounts", 501, "NotEmulated"),
        ("POST", f"{VNET}/fly", 501, "NotEmulated"),
    ],
)
def test_errors(call: Call, method: str, path: str, status: int, code: str) -> None:
    found, body = call(method, path, SPACE if method == "PUT" else None)
    assert (found, body["error"]["code"]) == (status, code)


def test_bad_json(call: Call, group: str) -> None:
    status, body = call("PUT", VNET, [])
    assert (status, body["error"]["code"]) == (400, "InvalidRequestContent")


@pytest.mark.parametrize(
    ("subnets", "code"),
    [
        ([("a", "10.1.0.0/24")], "NetcfgSubnetRangeOutsideVnet"),
        ([("a", "10.0.1.0/24"), ("b", "10.0.1.128/25")], "NetcfgSubnetRangesOverlap"),
        ([("a", "10.0.1.1/24")], "InvalidCIDRNotation"),
    ],
)
def test_subnets_must_fit(call: Call, group: str, subnets: list[tuple[str, str]], code: str) -> None:
    given = [{"name": n, "properties": {"addressPrefix": p}} for n, p in subnets]
    status, body = call("PUT", VNET, {**SPACE, "properties": {**SPACE["properties"], "subnets": given}})  # type: ignore[dict-item]
    assert (status, body["error"]["code"]) == (400, code)


def test_a_location_never_changes(call: Call, group: str) -> None:
    assert call("PUT", VNET, SPACE)[0] == 201
    assert call("PUT", VNET, {**SPACE, "location": "northeurope"})[1]["error"]["code"] == "InvalidResourceLocation"
    assert call("PUT", VNET, {**SPACE, "location": "atlantis"})[0] in (400, 409)
    assert call("PUT", GROUP, {"location": "northeurope"})[1]["error"]["code"] == "InvalidResourceGroupLocation"
    assert call("PUT", VNET.upper().replace("/SUBSCRIPTIONS", "/subscriptions"), SPACE)[0] == 200, "ids have no case"


def test_etags(call: Call, group: str) -> None:
    _, body = call("PUT", VNET, SPACE)
    assert call("PUT", VNET, SPACE, If_Match='W/"other"')[0] == 412
    assert call("PUT", VNET, SPACE, If_None_Match="*")[0] == 412
    assert call("PUT", VNET, SPACE, If_Match=body["etag"])[0] == 200


def test_locks(call: Call, group: str) -> None:
    call("PUT", VNET, SPACE)
    lock = f"{VNET}/providers/Microsoft.Authorization/locks/l"
    assert call("PUT", lock, {"properties": {"level": "CanNotDelete"}})[0] == 201
    for target in (VNET, GROUP):
        status, body = call("DELETE", target)
        assert (status, body["error"]["code"]) == (409, "ScopeLocked"), target
    assert call("PATCH", VNET, {"tags": {"a": "b"}})[0] == 200
    call("PUT", lock, {"properties": {"level": "ReadOnly"}})
    assert call("PATCH", VNET, {"tags": {"a": "c"}})[0] == 409
    assert call("DELETE", lock)[0] in (200, 202)
    assert call("DELETE", VNET)[0] in (200, 202)


def test_a_group_takes_everything_along(call: Call, group: str) -> None:
    call("PUT", VNET, SPACE)
    assert call("DELETE", GROUP)[0] in (200, 202)
    call("PUT", GROUP, {"location": "westeurope"})
    assert call("GET", VNET)[0] == 404


def test_lists_page_and_filter(call: Call, group: str) -> None:
    for number in range(5):
        call("PUT", f"{VNET}{number}", {**SPACE, "tags": {"n": str(number)}})
    listing = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/virtualNetworks"
    _, first = call("GET", f"{listing}?$top=2")
    names, link = [v["name"] for v in first["value"]], first["nextLink"]
    while link:
        _, page = call("GET", link.split(":", 2)[2].split("/", 1)[1].join(["/", ""]))
        names += [v["name"] for v in page["value"]]
        link = page.get("nextLink")
    assert names == [f"v{n}" for n in range(5)]
    _, found = call(
        "GET", f"/subscriptions/{SUBSCRIPTION}/resources?$filter=resourceType eq 'Microsoft.Network/virtualNetworks' and name eq 'v3'"
    )
    assert [r["id"] for r in found["value"]] == [f"{VNET}3"]


def test_the_activity_log_says_who_and_with_what(call: Call, group: str) -> None:
    call("PUT", VNET, SPACE)
    call("PUT", VNET, {**SPACE, "location": "northeurope"})
    path = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Insights/eventtypes/management/values"
    _, found = call("GET", f"{path}?$filter=eventTimestamp ge '2020-01-01T00:00:00Z' and resourceUri eq '{VNET}'")
    events = [(e["operationName"]["value"], e["status"]["value"], e["caller"]) for e in found["value"]]
    write = "Microsoft.Network/virtualNetworks/write"
    assert events == [(write, "Failed", identity.OBJECT_ID), (write, "Succeeded", identity.OBJECT_ID)]
    assert found["value"][0]["claims"]["appid"] == identity.CLIENT_ID


def test_operations_run_for_as_long_as_they_are_told(gym: Gym, call: Call, group: str) -> None:
    import urllib3

    gym.settings(operation_seconds=3600)
    pool = urllib3.PoolManager(ca_certs=str(gym.folder / "ca.pem"))
    form = {"client_id": identity.CLIENT_ID, "client_secret": identity.SECRET, "grant_type": "client_credentials"}
    endpoint = gym.status().endpoint
    token = pool.request("POST", f"{endpoint}/t/oauth2/v2.0/token", fields=form, encode_multipart=False).json()["access_token"]
    answer = pool.request("PUT", f"{endpoint}{VNET}?api-version=1", json=SPACE, headers={"authorization": f"Bearer {token}"})
    operation = answer.headers["Azure-AsyncOperation"].removeprefix(endpoint)
    assert call("GET", operation)[1]["status"] == "InProgress"
    gym.settings(clock_offset=3601)
    assert call("GET", operation)[1]["status"] == "Succeeded"
    pool.clear()


def test_writes_from_many_threads_lose_nothing(call: Call, group: str) -> None:
    call("PUT", VNET, SPACE)
    statuses: list[int] = []

    def add(number: int) -> None:
        body = {"properties": {"addressPrefix": f"10.0.{number}.0/24"}}
        statuses.append(call("PUT", f"{VNET}/subnets/s{number}", body)[0])

    threads = [threading.Thread(target=add, args=(n,)) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 24
    assert len(call("GET", VNET)[1]["properties"]["subnets"]) == 24


def test_names_that_are_taken(call: Call, group: str) -> None:
    account = f"{GROUP}/providers/Microsoft.Storage/storageAccounts"
    body = {"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}}
    assert call("PUT", f"{account}/UPPER", body)[1]["error"]["code"] == "AccountNameInvalid"
    assert call("PUT", f"{account}/mine1", body)[0] == 200
    call("PUT", f"{GROUP}2", {"location": "westeurope"})
    other = f"{GROUP}2/providers/Microsoft.Storage/storageAccounts/mine1"
    assert call("PUT", other, body)[1]["error"]["code"] == "StorageAccountAlreadyTaken"
    vault = f"{GROUP}/providers/Microsoft.KeyVault/vaults/vault-1"
    content = {"location": "westeurope", "properties": {"tenantId": identity.TENANT, "sku": {"family": "A", "name": "standard"}}}
    assert call("PUT", vault, content)[0] == 200
    call("DELETE", vault)
    assert call("PUT", vault, content)[1]["error"]["code"] == "ConflictError"
    purge = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/vault-1/purge"
    assert call("POST", purge)[0] in (200, 202)
    assert call("PUT", vault, content)[0] == 200


@pytest.mark.parametrize(
    "settings",
    [{"operation_seconds": "soon"}, {"quota": {"standardDSv5Family": -1}}, {"quota": []}, {"colour": "blue"}, {"clock_offset": True}],
)
def test_a_wrong_setting_is_refused(call: Call, settings: dict[str, object]) -> None:
    status, body = call("PUT", "/gym/settings", settings)
    assert (status, body["error"]["code"]) == (400, "InvalidSetting")


@pytest.mark.parametrize(
    "body",
    [
        {"location": "westeurope", "properties": []},
        {"location": "westeurope", "tags": {"a": 1}},
        {"location": "westeurope", "properties": {"addressSpace": "10.0.0.0/16"}},
        {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": ["a"]}},
    ],
)
def test_a_malformed_body_is_the_callers_mistake(call: Call, group: str, body: dict[str, object]) -> None:
    assert call("PUT", VNET, body)[0] == 400
    assert call("GET", VNET)[0] == 404


def test_a_write_that_fails_leaves_nothing(call: Call, group: str) -> None:
    """The OS disk is made before the data disk turns out to be missing."""
    call("PUT", VNET, {**SPACE, "properties": {**SPACE["properties"], "subnets": [SUBNET]}})  # type: ignore[dict-item]
    call("PUT", NIC, _nic("a"))
    status, body = call("PUT", MACHINE, _machine(dataDisks=[{"lun": 0, "createOption": "Attach", "managedDisk": {"id": f"{DISKS}/gone"}}]))
    assert status in (400, 404), body
    assert call("GET", DISKS)[1]["value"] == []
    assert "virtualMachine" not in call("GET", NIC)[1]["properties"]


def test_a_machine_may_be_called_like_part_of_its_path(call: Call, group: str) -> None:
    call("PUT", VNET, {**SPACE, "properties": {**SPACE["properties"], "subnets": [SUBNET]}})  # type: ignore[dict-item]
    call("PUT", NIC, _nic("a"))
    path = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/t"
    assert call("PUT", path, _machine())[0] == 201
    assert call("POST", f"{path}/deallocate")[0] in (200, 202)
    codes = [s["code"] for s in call("GET", f"{path}/instanceView")[1]["statuses"]]
    assert "PowerState/deallocated" in codes


def test_two_configurations_of_a_nic_get_two_addresses(call: Call, group: str) -> None:
    call("PUT", VNET, {**SPACE, "properties": {**SPACE["properties"], "subnets": [SUBNET]}})  # type: ignore[dict-item]
    _, nic = call("PUT", NIC, _nic("a", "b"))
    addresses = {c["properties"]["privateIPAddress"] for c in nic["properties"]["ipConfigurations"]}
    assert addresses == {"10.0.1.4", "10.0.1.5"}
    _, again = call("PUT", NIC, _nic("b", "a"))
    kept = {c["name"]: c["properties"]["privateIPAddress"] for c in again["properties"]["ipConfigurations"]}
    assert kept == {c["name"]: c["properties"]["privateIPAddress"] for c in nic["properties"]["ipConfigurations"]}


def test_roles_and_locks_sit_on_groups_too(call: Call, group: str) -> None:
    lock = f"{GROUP}/providers/Microsoft.Authorization/locks"
    for name, level in (("one", "ReadOnly"), ("two", "CanNotDelete")):
        assert call("PUT", f"{lock}/{name}", {"properties": {"level": level}})[0] == 201
    _, refused = call("PUT", VNET, SPACE)
    assert refused["error"]["code"] == "ScopeLocked"
    assert f"'{GROUP}'" in refused["error"]["message"]
    for name in ("one", "two"):
        assert call("DELETE", f"{lock}/{name}")[0] in (200, 204)
    reader = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
    assignment = f"{GROUP}/providers/Microsoft.Authorization/roleAssignments/11111111-2222-3333-4444-555555555555"
    given = {"properties": {"roleDefinitionId": reader, "principalId": "66666666-7777-8888-9999-000000000000"}}
    status, made = call("PUT", assignment, given)
    assert (status, made["properties"]["scope"]) == (201, GROUP)


def test_both_sides_of_a_peering_follow_each_other(call: Call, group: str) -> None:
    other = VNET[:-1] + "w"
    call("PUT", VNET, SPACE)
    call("PUT", other, {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}}})
    states = []
    for here, there in ((VNET, other), (other, VNET)):
        call("PUT", f"{here}/virtualNetworkPeerings/p", {"properties": {"remoteVirtualNetwork": {"id": there}}})
        states.append(call("GET", f"{VNET}/virtualNetworkPeerings/p")[1]["properties"]["peeringState"])
    call("DELETE", f"{other}/virtualNetworkPeerings/p")
    states.append(call("GET", f"{VNET}/virtualNetworkPeerings/p")[1]["properties"]["peeringState"])
    assert states == ["Initiated", "Connected", "Disconnected"]


def test_an_address_is_free_once_its_user_is_gone(call: Call, group: str) -> None:
    """Clients read, change and write; what the gym only shows must not come back as a fact."""
    call("PUT", VNET, {**SPACE, "properties": {**SPACE["properties"], "subnets": [SUBNET]}})  # type: ignore[dict-item]
    address = f"{GROUP}/providers/Microsoft.Network/publicIPAddresses/p"
    call("PUT", address, {"location": "westeurope", "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}})
    nic = _nic("a")
    nic["properties"]["ipConfigurations"][0]["properties"]["publicIPAddress"] = {"id": address}
    call("PUT", NIC, nic)
    shown = call("GET", address)[1]
    assert shown["properties"]["ipConfiguration"]["id"].startswith(NIC)
    call("PUT", address, {**shown, "tags": {"a": "b"}})
    call("DELETE", NIC)
    assert call("DELETE", address)[0] == 202
