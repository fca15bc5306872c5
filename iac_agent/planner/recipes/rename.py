"""Rename what Terraform calls a resource, with a `moved` block so that nothing is replaced. An Azure name cannot change without that.

Source: https://developer.hashicorp.com/terraform/language/moved
"""

from __future__ import annotations

import re

from iac_agent.hcl import edits as e
from iac_agent.planner.inventory import Resource
from iac_agent.planner.lexicon import KIND_PATTERN, kind_of
from iac_agent.planner.names import ADDRESS
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World

_VERB = re.compile(
    r"\b(?:rename|relabel|rechristen)\b|\bshould (?:read|be (?:called|named|labell?ed))\b|\bcall (?:the )?(?:terraform "
    r")?(?:resource|label)\b|\b(?:label|name)\b.*\b(?:misleading|wrong|poor|bad|should be)\b|\bchange the (?:\w+ "
    r")?(?:address|label|name)\b|\baddress\b.*\bbecomes\b|\bcall module\b|azurerm_\w+\.[\w-]+\s*->|\bcall "
    r"it\b.*\bterraform\b",
    re.IGNORECASE,
)
_TO = re.compile(
    r"(?:\b(?:to|as|into|read|called|named|call it|make it|be|becomes)|->)\s+[\"'`]?(?P<to>(?:azurerm_\w+\.|"
    r"module\.)?(?!(?:called|named)\b)[A-Za-z_][\w-]*)[\"'`]?(?=\s|[,.;]|$)",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"\b(?:label|terraform|resource|hcl|code|address|block|state|config(?:uration)?)\b|\bwithout (?:recreating|replacing|"
    r"destroying)\b|\bmoved\b",
    re.IGNORECASE,
)


_MODULE = re.compile(
    r"\bmodule[. ](?P<old>[\w-]+)\b(?: module)?.*?\b(?:to|as|into|module|called)[. ]+(?:module[. ])?[\"'`]?(?P<to>[A-Za-z][\w-]*)",
    re.IGNORECASE,
)


class Rename:
    id = "rename"
    title = "rename a resource in Terraform, with a moved block"
    examples: tuple[str, ...] = ("rename azurerm_managed_disk.data to azurerm_managed_disk.archive", "relabel azurerm_subnet.app as web")

    def claims(self, wish: Wish, world: World) -> bool:
        return _VERB.search(wish.text) is not None and re.search(r"\btags?\b", wish.text, re.IGNORECASE) is None

    def plan(self, wish: Wish, world: World) -> None:
        if self._module(wish, world):
            return
        pieces = list(_TO.finditer(wish.text))
        if not pieces:
            raise Unsettled(Question("To what should it be renamed?", {}))
        to = pieces[-1]["to"]
        subject = wish.text[: pieces[-1].start()]
        resource = self._subject(subject, wish, world)
        label = to.rsplit(".", 1)[-1]
        if "." in to and to.rsplit(".", 1)[0] != resource.type:
            raise Unsettled(Refusal(f"{resource.address} cannot become a {to.rsplit('.', 1)[0]}: a rename keeps the type."))
        if not (_CODE.search(wish.text) or ADDRESS.search(subject) or world.context.answer == "label"):
            self._which(resource, label)
        self._write(resource, label, world)

    @staticmethod
    def _module(wish: Wish, world: World) -> bool:
        """Rename a module call: `rename module jump to bastion`."""
        match = _MODULE.search(wish.text)
        if not match:
            return False
        old, to = match["old"], match["to"]
        root = world.inventory.configuration.scopes[0].module
        if f"module.{old}" not in root.index:
            return False
        if f"module.{to}" in root.index:
            raise Unsettled(Refusal(f"module.{to} is there already."))
        world.writer.add(e.RenameBlock(f"module.{old}", to))
        for document in root.documents:
            if re.search(rf"(?<![\w.-])module\.{re.escape(old)}(?![\w-])", document.data.decode("utf-8", "replace")):
                world.writer.add(e.RenameReferences(str(document.path), f"module.{old}", f"module.{to}"))
        file = str(root.index[f"module.{old}"][0].document.path)
        world.writer.add(e.AddTopLevel(f"moved.{to}", f"moved {{\n  from = module.{old}\n  to   = module.{to}\n}}\n", file))
        world.touch(
            [
                r.address.replace(f"module.{old}", f"module.{to}", 1)
                for r in world.inventory.resources
                if r.address.startswith(f"module.{old}")
            ]
        )
        world.say(f"Rename module.{old} to module.{to}; nothing is replaced.")
        return True

    @staticmethod
    def _subject(text: str, wish: Wish, world: World) -> Resource:
        kinds = tuple(sorted({r.type for r in world.inventory.resources}))
        address = ADDRESS.search(text)
        found: list[Resource] = []
        if address:
            found = world.inventory.of_block(address[0]) or [
                r for r in world.inventory.resources if r.block_address.endswith("." + address[0])
            ]
        if not found:
            by_label = [r for r in world.inventory.resources if re.search(rf"(?<![\w-]){re.escape(r.label)}(?![\w-])", wish.text)]
            said = [r for r in by_label if _CODE.search(text)]
            found = _narrowed(said, wish.text) if said else []
        if not found:
            rest = re.sub(_VERB, " ", text)
            chosen = world.selector.select(rest, kinds)
            if isinstance(chosen, Question):
                raise Unsettled(chosen)
            found = list(chosen.resources) if chosen else []
        if not found:
            raise Unsettled(Refusal("I find nothing of that name to rename."))
        blocks = list(dict.fromkeys(r.block_address for r in found))
        if len(blocks) > 1:
            raise Unsettled(Question("Which of these should be renamed?", {b: world.inventory.of_block(b)[0].describe() for b in blocks}))
        return found[0]

    @staticmethod
    def _which(resource: Resource, label: str) -> None:
        raise Unsettled(
            Question(
                f"{resource.azure_name} is a name in Azure: changing it would replace {resource.address}. Rename only what Terraform "
                f"calls it?",
                {
                    "label": f"rename {resource.address} to {label}; nothing is replaced",
                    "azure-name": "change the name in Azure by hand: it replaces the resource",
                },
            )
        )

    @staticmethod
    def _write(resource: Resource, label: str, world: World) -> None:
        module = resource.instance.scope.module
        local = f"{resource.type}.{resource.label}"
        new = f"{resource.type}.{label}"
        if new in module.index:
            raise Unsettled(Refusal(f"{new} is there already: {module.index[new][0].where}."))
        if label == resource.label:
            raise Unsettled(Refusal(f"{resource.address} is called that already."))
        world.writer.add(e.RenameBlock(resource.block_address, label))
        root = world.context.root
        for document in module.documents:
            if re.search(rf"(?<![\w.-]){re.escape(local)}(?![\w-])", document.data.decode("utf-8", "replace")):
                world.writer.add(e.RenameReferences(str(root.shown(root.file_of(document))), local, new))
        file = str(resource.block.document.path).rsplit("/", 1)[-1]
        world.writer.add(e.AddTopLevel(f"{module.prefix}moved.{label}", f"moved {{\n  from = {local}\n  to   = {new}\n}}\n", file))
        for sibling in world.inventory.siblings(resource):
            world.touch([sibling.address.replace(local, new)])
        world.say(f"Rename {resource.block_address} to {label}; nothing is replaced.")


def _narrowed(found: list[Resource], text: str) -> list[Resource]:
    kinds = [kind_of(m) for m in KIND_PATTERN.finditer(text)]
    narrowed = [r for r in found if any(r.type in k for k in kinds)] or found
    if len({r.block_address for r in narrowed}) > 1 and re.search(r"\bprobe\b", text, re.IGNORECASE):
        narrowed = [r for r in narrowed if r.type == "azurerm_lb_probe"] or narrowed
    modules = [r for r in narrowed if any(re.search(rf"\b{re.escape(m)}\b", text) for m in r.instance.scope.module.path)]
    return modules or narrowed
