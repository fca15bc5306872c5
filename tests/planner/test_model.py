"""The model planner over real HTTP: the protocol, errors of the server, hostile answers, and secrets that must not leave."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iac_agent.errors import IacAgentError, ModelFailed
from iac_agent.gym.model import ModelServer, Reply, Script
from iac_agent.hcl.module import RootModule
from iac_agent.planner.auto import AutoPlanner
from iac_agent.planner.builtin import BuiltinPlanner
from iac_agent.planner.model.client import Access, ModelClient
from iac_agent.planner.model.planner import ModelPlanner
from iac_agent.planner.model.tools import definitions
from iac_agent.planner.protocol import Answer, ChangeSet, Context, Question, Refusal
from iac_agent.terraform.models import State
from tests.conftest import Sandbox

VM = "azurerm_linux_virtual_machine.web"
CONFIG = (
    'resource "azurerm_linux_virtual_machine" "web" {\n  name = "vm-web"\n  size = "Standard_D2s_v5"\n\n'
    '  identity {\n    type = "SystemAssigned"\n  }\n}\n\n'
    'variable "note" {\n  default = "x"\n}\n'
)
GOOD: Reply = {
    "call": "propose_edits",
    "with": {
        "reason": "r",
        "addresses": [VM],
        "edits": [{"edit": "SetAttribute", "address": VM, "path": "size", "value": '"Standard_D2s_v5"'}],
    },
}


def propose(*edits: Any, addresses: Any = (VM,)) -> Reply:
    return {"call": "propose_edits", "with": {"reason": "r", "addresses": list(addresses), "edits": list(edits)}}


def edit(kind: str, **fields: Any) -> dict[str, Any]:
    return {"edit": kind, "address": VM, **fields}


@pytest.fixture
def serve() -> Iterator[Any]:
    """Start a server that says these replies in turn, the last one again and again."""
    started: list[ModelServer] = []

    def start(*replies: Reply, key: str = "") -> ModelServer:
        server = ModelServer(Script([{"when": "", "say": list(replies)}]), key)
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


def ask(server: ModelServer, folder: Path, request: str = "do it", *, key: str = "k", timeout: float = 5, retries: int = 0) -> Answer:
    (folder / "main.tf").write_text(CONFIG)
    client = ModelClient(Access("m", server.base_url, key, timeout=timeout, retries=retries))
    return ModelPlanner(client).plan(request, Context(RootModule(folder), State(), 5))


def test_tools_then_edits(serve: Any, tmp_path: Path) -> None:
    looks = [
        {"call": "find_resources", "with": {"query": "web"}},
        {"call": "read_block", "with": {"address": VM}},
        {"call": "trace", "with": {"address": VM, "path": "size"}},
        {"call": "schema", "with": {"type": "azurerm_linux_virtual_machine"}},
    ]
    server = serve(*looks, GOOD)
    answer = ask(server, tmp_path)
    assert isinstance(answer, ChangeSet)
    assert answer.edits[0].describe() == 'set size = "Standard_D2s_v5"'
    assert "5 rounds" in answer.notes[-1]
    told = [m["content"] for m in json.loads(server.heard[-1])["messages"] if m["role"] == "tool"]
    assert "vm-web" in told[0]
    assert 'size = "Standard_D2s_v5"' in told[1]
    assert "main.tf:3" in told[2]
    assert "eviction_policy" in told[3]
    assert all(t.startswith("<data>") and t.endswith("</data>") for t in told)


def test_a_question_and_a_refusal(serve: Any, tmp_path: Path) -> None:
    assert isinstance(ask(serve({"call": "ask", "with": {"question": "Which?", "candidates": [VM]}}), tmp_path), Question)
    assert isinstance(ask(serve({"call": "refuse", "with": {"reason": "no"}}), tmp_path), Refusal)


def test_structured_outputs_where_the_server_has_them(tmp_path: Path) -> None:
    """A server that turns strict schemas down gets plain tools, and is not asked for the others again."""
    sent: list[set[bool]] = []

    def old_server(body: dict[str, Any]) -> Reply:
        strict = {t["function"].get("strict", False) for t in body["tools"]}
        sent.append(strict)
        if True in strict:
            return {"status": 400, "message": "Unknown parameter: 'tools[1].function.strict'."}
        return GOOD if len(sent) > 2 else {"call": "find_resources", "with": {"query": "web"}}

    server = ModelServer(old_server)
    server.start()
    assert isinstance(ask(server, tmp_path), ChangeSet)
    assert sent == [{True, False}, {False}, {False}]
    server.stop()


def test_reasoning_models_take_other_parameters(tmp_path: Path) -> None:
    def reasoning(body: dict[str, Any]) -> Reply:
        if "max_tokens" in body:
            return {"status": 400, "message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}
        if "temperature" in body:
            return {"status": 400, "message": "Unsupported value: 'temperature' does not support 0 with this model."}
        return GOOD if body["max_completion_tokens"] == 4000 else {"status": 500}

    server = ModelServer(reasoning)
    server.start()
    assert isinstance(ask(server, tmp_path), ChangeSet)
    assert len(server.heard) == 3
    server.stop()


def test_strict_schemas_are_what_the_api_takes() -> None:
    """Every object closed, every property required: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas"""

    def objects(schema: Any) -> Iterator[dict[str, Any]]:
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                yield schema
            schema = list(schema.values())
        for inner in schema if isinstance(schema, list) else ():
            yield from objects(inner)

    strict = [t["function"] for t in definitions(strict=True) if t["function"].get("strict")]
    assert {"propose_edits", "ask", "refuse", "read_block"} <= {f["name"] for f in strict}
    found = list(objects([f["parameters"] for f in strict]))
    assert len(found) > 20
    assert all(o["required"] == list(o["properties"]) and o["additionalProperties"] is False for o in found)


def test_nulls_of_structured_outputs_are_left_out(serve: Any, tmp_path: Path) -> None:
    null_edit = edit("SetAttribute", path="size", value='"Standard_D2s_v5"', after=None, replacing=None)
    answer = ask(serve({"call": "propose_edits", "with": {"reason": "r", "addresses": [VM], "edits": [null_edit]}}), tmp_path)
    assert isinstance(answer, ChangeSet)
    assert answer.edits[0].describe() == 'set size = "Standard_D2s_v5"'


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ({"status": 401}, "refused the key"),
        ({"status": 403}, "does not allow"),
        ({"status": 404}, "knows no model"),
        ({"status": 429}, "rate limit"),
        ({"status": 400, "message": "maximum context length exceeded"}, "rejected"),
        ({"status": 500}, "failed"),
        ({"status": 503}, "failed"),
        ({"raw": "not json"}, "no chat completion"),
        ({"raw": "{}"}, "without a message"),
        ({"raw": '{"choices": []}'}, "without a message"),
        ({"raw": '{"choices": [{"message": null}]}'}, "without a message"),
        ({"raw": "[1, 2]"}, "message"),
        ({"raw": ""}, "no chat completion"),
        ({"text": "slow", "delay": 3}, "did not answer within"),
    ],
)
def test_errors_of_the_server_say_what_to_do(serve: Any, tmp_path: Path, reply: Reply, said: str) -> None:
    with pytest.raises(ModelFailed) as failure:
        ask(serve(reply), tmp_path, timeout=1)
    assert said in failure.value.message or said in failure.value.hint


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    server = ModelServer(Script([{"when": "", "say": [GOOD]}]))
    server.start()
    server.stop()
    with pytest.raises(ModelFailed, match="cannot reach"):
        ask(server, tmp_path)


def test_a_wrong_key(serve: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelFailed, match="refused the key"):
        ask(serve(GOOD, key="right"), tmp_path, key="wrong")


def test_retry_after_is_honoured(serve: Any, tmp_path: Path) -> None:
    server = serve({"status": 429, "headers": {"retry-after": "1"}}, GOOD)
    started = time.monotonic()
    assert isinstance(ask(server, tmp_path, retries=2), ChangeSet)
    assert time.monotonic() - started >= 1
    assert len(server.heard) == 2


OUTSIDE = "../../../etc/passwd.json"
HOSTILE: list[Reply] = [
    {"text": "Sure! Here is the HCL you want."},
    {"text": ""},
    {"text": "```json\n{}\n```"},
    {"text": "x" * 200_000},
    {"call": "propose_edits", "arguments": "{broken"},
    {"call": "propose_edits", "arguments": ""},
    {"call": "propose_edits", "arguments": "[]"},
    {"call": "propose_edits", "arguments": "null"},
    {"call": "propose_edits", "arguments": '{"edits": '},
    {"call": "rm -rf /", "with": {}},
    {"call": "__init__", "with": {}},
    {"call": "run", "with": {"name": "x"}},
    {"call": "_data", "with": {}},
    {"call": "", "with": {}},
    {"call": "propose_edits", "with": {}},
    {"call": "propose_edits", "with": {"edits": []}},
    {"call": "propose_edits", "with": {"edits": "all of them"}},
    {"call": "propose_edits", "with": {"edits": [None]}},
    {"call": "propose_edits", "with": {"edits": [[]]}},
    {"call": "propose_edits", "with": {"edits": [{"edit": "SetAttribute"}]}},
    propose({"edit": "Explode", "address": VM}),
    propose({"edit": "Edit", "address": VM}),
    propose({"edit": "InnerEdit", "address": VM, "path": "size"}),
    propose(edit("SetAttribute", path="size")),
    propose(edit("SetAttribute", path="size", value="")),
    propose(edit("SetAttribute", path="size", value=5)),
    propose(edit("SetAttribute", path="size", value={"a": 1})),
    propose(edit("SetAttribute", path="size", value='"x" }\nresource "a" "b" {')),
    propose(edit("SetAttribute", path="size", value='"x"\n  provisioner "local-exec" { command = "id" }')),
    propose(edit("SetAttribute", path="size", value='"x" # }')),
    propose(edit("SetAttribute", path="size; rm", value='"x"')),
    propose(edit("SetAttribute", path="", value='"x"')),
    propose(edit("SetAttribute", path="identity.deep.er", value='"x"')),
    propose(edit("SetAttribute", path="@0.@1", value='"x"')),
    propose({"edit": "SetAttribute", "address": "azurerm_linux_virtual_machine.nope", "path": "size", "value": '"x"'}),
    propose({"edit": "SetAttribute", "address": "../main.tf", "path": "size", "value": '"x"'}),
    propose({"edit": "SetAttribute", "address": OUTSIDE, "path": "a", "value": '"x"'}),
    propose({"edit": "SetAttribute", "address": "/etc/hosts.json", "path": "a", "value": '"x"'}),
    propose({"edit": "PutKey", "address": "../other/terraform.tfvars", "path": "a", "key": "b", "value": '"x"'}),
    propose({"edit": "RenameReferences", "address": "../../x.tf", "old": "a.b", "new": "c.d"}),
    propose({"edit": "RenameReferences", "address": "/etc/passwd", "old": "a.b", "new": "c.d"}),
    propose({"edit": "AddTopLevel", "address": "azurerm_x.y", "source": 'resource "azurerm_x" "y" {}', "file": "../evil.tf"}),
    propose({"edit": "AddTopLevel", "address": "azurerm_x.y", "source": 'resource "azurerm_x" "y" {}', "file": "/tmp/evil.tf"}),
    propose({"edit": "AddTopLevel", "address": "azurerm_x.y", "source": 'resource "azurerm_x" "y" {', "file": "main.tf"}),
    propose({"edit": "AddTopLevel", "address": "azurerm_x.y", "source": 'resource "azurerm_x" "z" {}', "file": "main.tf"}),
    propose({"edit": "AddTopLevel", "address": VM, "source": CONFIG.split("\n\nvariable")[0], "file": "main.tf"}),
    propose({"edit": "AddNested", "address": VM, "source": 'identity {}\nresource "a" "b" {}\n}'}),
    propose(edit("RemoveBlock", path="nothing")),
    propose(edit("RemoveAttribute", path="nothing")),
    propose(edit("AddBlock", path="a b", arguments=[])),
    propose(edit("AddBlock", path="x", arguments="no")),
    propose(edit("AddBlock", path="x", arguments=[["a"]])),
    propose(edit("RenameBlock", to='x" {}\nresource "a')),
    propose(edit("PutKey", path="size", key="a", value='"b"')),
    propose(edit("DropKey", path="tags", key="a")),
    propose(edit("RemoveItem", path="size", value="1")),
    propose(edit("SetAttribute", path="size", value='"SECRET_999_KEPT"')),
    propose(edit("SetAttribute", path="size", value='"Standard_D2s_v5"'), edit("RemoveBlock", path="nothing")),
    {"call": "find_resources", "with": {}},
    {"call": "read_block", "with": {"address": "../../../../etc/passwd"}},
    {"call": "read_block", "with": {"address": "/etc/passwd.json"}},
    {"call": "trace", "with": {"address": VM, "path": "]["}},
    {"call": "schema", "with": {"type": ["x"]}},
    {"call": "ask", "with": {}},
    {"calls": [{"call": "read_block", "with": {"address": VM}}, {"call": "nonsense", "with": {}}]},
    {**GOOD, "cut": True},
]


@pytest.mark.parametrize("reply", HOSTILE, ids=lambda r: json.dumps(r)[:60])
def test_broken_and_hostile_answers_change_nothing(serve: Any, tmp_path: Path, reply: Reply) -> None:
    """Said again and again it ends in an error; said once it comes back as an observation, and the planner goes on."""
    folder = tmp_path / "root"
    folder.mkdir()
    with pytest.raises(IacAgentError):
        ask(serve(reply), folder)
    server = serve(reply, GOOD)
    assert isinstance(ask(server, folder), ChangeSet)
    assert (folder / "main.tf").read_text() == CONFIG
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["main.tf", "root"]
    assert "root:x:0" not in b"".join(server.heard).decode()


def test_at_least_sixty_of_them() -> None:
    assert len(HOSTILE) >= 60


# --- with Terraform behind it ------------------------------------------------------------------------------------------


@pytest.fixture
def modelled(web_tier: Sandbox, serve: Any) -> Any:
    """examples/web-tier with a scripted model as its only planner."""

    def start(*replies: Reply) -> tuple[Sandbox, ModelServer]:
        server = serve(*replies)
        web_tier.extra |= {
            "IACAGENT_PLANNER__MODE": "model",
            "IACAGENT_PLANNER__MODEL": "scripted",
            "IACAGENT_PLANNER__BASE_URL": server.base_url,
            "IACAGENT_PLANNER__MAX_STEPS": "3",
            "IACAGENT_PLANNER__PRICE__INPUT": "2.5",
            "OPENAI_API_KEY": "k",
        }
        return web_tier, server

    return start


def test_what_terraform_says_comes_back_as_an_observation(modelled: Any) -> None:
    wrong = propose(edit("SetAttribute", path="size", value="var.nowhere"), addresses=[VM])
    surplus = propose(
        edit("SetAttribute", path="size", value='"Standard_D4s_v5"'),
        {"edit": "SetAttribute", "address": "azurerm_public_ip.web", "path": "sku_tier", "value": '"Global"'},
    )
    sandbox, server = modelled(
        wrong, surplus, GOOD | {"with": {**GOOD["with"], "edits": [edit("SetAttribute", path="size", value='"Standard_D4s_v5"')]}}
    )
    ran = sandbox.iacagent("apply", "give the web machine more oomph", "--auto-approve")
    assert ran.code == 0, ran.err
    assert "Step 1:" in ran.err
    assert "Step 2:" in ran.err
    prompts = [json.loads(h)["messages"][1]["content"] for h in server.heard]
    assert "Reference to undeclared" in prompts[1]
    assert "azurerm_public_ip.web" in prompts[2]
    assert "did not ask for" in prompts[2]
    assert "tokens, $" in ran.out
    assert sandbox.state()[VM]["size"] == "Standard_D4s_v5"
    assert sandbox.is_empty_plan()


@pytest.mark.parametrize(
    "reply",
    [
        propose(
            {
                "edit": "AddTopLevel",
                "address": "data.external.x",
                "source": 'data "external" "x" {\n  program = ["id"]\n}',
                "file": "main.tf",
            },
            addresses=[],
        ),
        propose({"edit": "AddNested", "address": VM, "source": 'provisioner "local-exec" {\n  command = "touch pwned"\n}'}, addresses=[]),
        propose(edit("SetAttribute", path="provider", value="evil.azurerm"), addresses=[]),
        propose({"edit": "RemoveResource", "address": "azurerm_public_ip.web"}, addresses=[]),
        propose({"edit": "RemoveResource", "address": VM}, addresses=[]),
        propose(edit("SetAttribute", path="size", value='file("/etc/passwd")'), addresses=[]),
    ],
    ids=["external data", "provisioner", "provider", "a needed resource", "the machine", "file"],
)
def test_hostile_edits_do_not_get_past_the_guard(modelled: Any, reply: Reply) -> None:
    sandbox, _ = modelled(reply)
    files, state = sandbox.files(), sandbox.state()
    ran = sandbox.iacagent("apply", "tune it", "--auto-approve")
    assert ran.code in (1, 3), ran.out
    assert sandbox.files() == files
    assert sandbox.state() == state
    assert not list(sandbox.directory.rglob("pwned"))


def test_auto_takes_the_model_only_where_the_built_in_planner_is_not_sure(serve: Any, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(CONFIG)
    server = serve(GOOD)
    model = ModelPlanner(ModelClient(Access("m", server.base_url, "k", retries=0)))
    planner = AutoPlanner("auto", BuiltinPlanner(), None, model)
    context = Context(RootModule(tmp_path), State(), 5)
    assert isinstance(planner.plan("make vm-web spot", context), ChangeSet)
    assert isinstance(planner.plan("open ssh to the internet on all nsgs, allow all traffic", context), Refusal)
    assert server.heard == []
    assert isinstance(planner.plan("give vm-web a little more dignity", context), ChangeSet)
    assert len(server.heard) == 1


# --- secrets -----------------------------------------------------------------------------------------------------------

SECRETS = {
    "variable_default": "hunter2-Default!9",
    "tfvars_password": "Tfv4rs-pass-Word",
    "auto_tfvars_token": "tok_9fK2mQ7xLp3Z",
    "declared_sensitive": "correct horse battery",
    "local_secret": "l0calS3cretValue",
    "custom_data": "#!/bin/sh echo customdata-Zx81",
    "user_data": "userdata-Qq42-Ww",
    "tag_value": "ghp_abcdefghijklmnopqrstuvwx1234",
    "tag_password": "T4gP4ssw0rd",
    "connection_string": "Server=x;AccountKey=abCD1234efGH5678==;Database=y",
    "sas": "https://a.blob.core.windows.net/c?sig=aB3dE5fG7hI9jK1lM3nO5p",
    "url_password": "postgres://app:Pg-Secr3t-77@db/x",
    "comment_password": "C0mmentPass99",
    "comment_key": "sk-proj-AbCdEfGhIjKlMnOp1234",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlMTIz",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "slack": "xoxb-123456789012-AbCdEfGhIj",
    "gitlab": "glpat-AbCdEfGh12345678",
    "entropy": "Zk9Qw3Xv7Lp2Rt8Ys4Mn6Bc1",
    "yaml_password": "Y4mlPassw0rd!",
    "yaml_api_key": "yk-77-AA-bb-93",
    "json_secret": "J50nS3cret-1",
    "heredoc_line": "HereDocSecretLine-12",
    "private_key": "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
    "windows_password": "W1nd0ws-P4ss!",
    "webhook": "https://hooks.example.com/T00/B00/Hk29Xz",
    "shared_key": "Sh4redK3yValue==",
    "output_password": "0utputP4ss-x",
    "passphrase": "open sesame 42",
    "google": "AIzaSyD-1234567890abcdefghijk",
}


def planted(folder: Path) -> None:
    s = SECRETS
    (folder / "secrets.tf").write_text(
        f"""# the old password: {s["comment_password"]}
# key {s["comment_key"]} (rotate!)
variable "db_password" {{
  default = "{s["variable_default"]}"
}}

variable "tfv_password" {{}}
variable "api_token" {{}}

variable "phrase" {{
  sensitive = true
  default   = "{s["declared_sensitive"]}"
}}

locals {{
  client_secret = "{s["local_secret"]}"
  conn          = "{s["connection_string"]}"
  sas           = "{s["sas"]}"
  dsn           = "{s["url_password"]}"
  jwt           = "{s["jwt"]}"
  aws           = "{s["aws"]}"
  slack         = "{s["slack"]}"
  gitlab        = "{s["gitlab"]}"
  blob          = "{s["entropy"]}"
  google        = "{s["google"]}"
  webhook_url   = "{s["webhook"]}"
  shared_key    = "{s["shared_key"]}"
  passphrase    = "{s["passphrase"]}"
  private_key   = <<EOT
-----BEGIN RSA PRIVATE KEY-----
{s["private_key"]}
-----END RSA PRIVATE KEY-----
EOT
  password_file = <<-EOT
    {s["heredoc_line"]}
  EOT
  team = yamldecode(file("${{path.module}}/team.yaml"))
}}

output "password" {{
  value     = "{s["output_password"]}"
  sensitive = true
}}
"""
    )
    (folder / "team.yaml").write_text(f'password: "{s["yaml_password"]}"\napi_key: "{s["yaml_api_key"]}"\n')
    (folder / "team.json").write_text(json.dumps({"secret": s["json_secret"]}))
    (folder / "terraform.tfvars").write_text(f'tfv_password = "{s["tfvars_password"]}"\n')
    (folder / "x.auto.tfvars").write_text(f'api_token = "{s["auto_tfvars_token"]}"\n')
    vm = folder / "vm.tf"
    text = vm.read_text()
    extra = (
        f'  custom_data         = base64encode("{s["custom_data"]}")\n  user_data           = base64encode("{s["user_data"]}")\n'
        f'  tags = {{\n    note     = "{s["tag_value"]}"\n    password = "{s["tag_password"]}"\n    admin_password = '
        f'"{s["windows_password"]}"\n  }}\n'
    )
    before, _, machine = text.partition('resource "azurerm_linux_virtual_machine"')
    machine = machine.replace("  tags                = var.tags\n", extra, 1)
    vm.write_text(f'{before}resource "azurerm_linux_virtual_machine"{machine}')


def test_no_secret_reaches_the_model_the_output_or_the_store(sandbox: Sandbox, serve: Any) -> None:
    from tests.conftest import ROOT

    assert len(SECRETS) >= 30
    sandbox.copy(ROOT / "examples" / "web-tier")
    planted(sandbox.directory)
    sandbox.up()
    looks: list[Reply] = [
        {"call": "find_resources", "with": {"query": "web secret password"}},
        *(
            {"call": "read_block", "with": {"address": a}}
            for a in (
                VM,
                "local.conn",
                "variable.db_password",
                "output.password",
                "terraform.tfvars",
                "x.auto.tfvars",
                "team.yaml",
                "team.json",
            )
        ),
        {"call": "trace", "with": {"address": VM, "path": "custom_data"}},
        {"call": "trace", "with": {"address": VM, "path": "tags.note"}},
    ]
    last = propose(edit("SetAttribute", path="size", value='"Standard_D4s_v5"'))
    server = serve(*looks, last)
    sandbox.extra |= {
        "IACAGENT_PLANNER__MODE": "model",
        "IACAGENT_PLANNER__MODEL": "scripted",
        "IACAGENT_PLANNER__BASE_URL": server.base_url,
        "OPENAI_API_KEY": "k",
    }
    ran = sandbox.iacagent("apply", f"make it bigger, the password is {SECRETS['tag_password']}", "--auto-approve")
    assert ran.code == 0, ran.err
    assert len(server.heard) == len(looks) + 1
    sent = b"\n".join(server.heard).decode().replace("\\n", "\n").replace('\\"', '"')
    kept = b"".join(p.read_bytes() for p in (sandbox.directory / ".iacagent").rglob("*") if p.is_file()).decode("utf-8", "replace")
    leaks = [
        f"{name} in {where}"
        for name, secret in SECRETS.items()
        for where, text in (("what was sent", sent), ("the store", kept), ("the output", ran.out + ran.err))
        if secret in text
    ]
    assert not leaks, leaks
    assert "SECRET_" in sent


@pytest.mark.parametrize(("target", "kept"), [("variable.note", False), ("variable.db_password", True)])
def test_a_secret_stays_where_it_is(serve: Any, tmp_path: Path, target: str, kept: bool) -> None:
    (tmp_path / "main.tf").write_text(
        CONFIG.replace('default = "x"', 'default = "x"\n}\n\nvariable "db_password" {\n  default = "Sw0rdf1sh-99"')
    )

    class Mover:
        def __call__(self, body: dict[str, Any]) -> Reply:
            if len(body["messages"]) == 2:
                return {"call": "read_block", "with": {"address": "variable.db_password"}}
            if len(body["messages"]) > 4:
                return {"call": "refuse", "with": {"reason": body["messages"][-1]["content"]}}
            mark = next(w.strip('"') for w in body["messages"][-1]["content"].split() if "SECRET_" in w)
            return propose({"edit": "SetAttribute", "address": target, "path": "default", "value": f'"{mark}-new"'}, addresses=[])

    server = ModelServer(Mover())
    server.start()
    client = ModelClient(Access("m", server.base_url, "k", retries=0))
    answer = ModelPlanner(client).plan("copy it", Context(RootModule(tmp_path), State(), 5))
    server.stop()
    assert b"Sw0rdf1sh" not in b"".join(server.heard)
    if kept:
        assert isinstance(answer, ChangeSet)
        assert answer.edits[0].describe() == 'set default = "Sw0rdf1sh-99-new"'
    else:
        assert isinstance(answer, Refusal)
        assert "stays where it is" in answer.reason


def test_a_repository_of_a_thousand_resources_fits_the_budget(serve: Any, tmp_path: Path) -> None:
    blocks = "".join(
        f'resource "azurerm_resource_group" "g{i}" {{\n  name     = "rg-{i}"\n  location = "westeurope"\n}}\n' for i in range(1000)
    )
    server = serve({"call": "refuse", "with": {"reason": "no"}})
    (tmp_path / "main.tf").write_text(CONFIG + blocks)
    client = ModelClient(Access("m", server.base_url, "k", retries=0))
    ModelPlanner(client, context_tokens=3000).plan("resize vm-web", Context(RootModule(tmp_path), State(), 5))
    first = json.loads(server.heard[0])["messages"]
    assert sum(len(m["content"]) for m in first) < 3000 * 3.5 + 2000
    assert "vm-web" in first[1]["content"].splitlines()[2], "what fits the request comes first"
