"""The plugin service: validate, plan, read, apply and import, each a few lines over the lenses.

Source: tfplugin6.proto, https://developer.hashicorp.com/terraform/plugin/terraform-plugin-protocol
"""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from tf.gen import tfplugin_pb2 as pb
from tf.gen import tfplugin_pb2_grpc as rpc

from iac_agent.azure.lenses import access, lens_for
from iac_agent.azure.lenses.convert import settle
from iac_agent.azure.lenses.planning import IMPORTED, check, plan, replacements
from iac_agent.azure.lenses.table import Lens, Values
from iac_agent.azure.schemas import BlockSchema, provider_schema
from iac_agent.errors import IacAgentError
from iac_agent.gym import identity
from iac_agent.gym.provider import data
from iac_agent.gym.provider.client import ArmHttp
from iac_agent.gym.provider.wire import attribute_path, decode, diagnostic, encode, known, multiple, numbers, problems, schema

_EXISTS = (
    'a resource with the ID "{id}" already exists - to be managed via Terraform this resource needs to be imported into the State. '
    'Please see the resource documentation for "{type}" for more information'
)


class SandboxProvider(rpc.ProviderServicer):  # type: ignore[misc]
    """azurerm `major`, backed by `arm`."""

    def __init__(self, major: int, arm: ArmHttp) -> None:
        self.major, self.arm = major, arm
        self.schema = provider_schema(major)
        self.subscription = identity.SUBSCRIPTION
        self._owners: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._described = self._describe()

    def _describe(self) -> Any:
        raw = self.schema.raw
        return pb.GetProviderSchema.Response(
            provider=schema(raw["provider"]),
            resource_schemas={t: schema(s) for t, s in raw["resource_schemas"].items()},
            data_source_schemas={t: schema(s) for t, s in raw["data_source_schemas"].items()},
            server_capabilities=pb.ServerCapabilities(get_provider_schema_optional=True),
        )

    def _block(self, type_name: str) -> BlockSchema:
        return self.schema.resources[type_name]

    # --- schema and configuration --------------------------------------------------------------------------------

    def GetMetadata(self, request: Any, context: Any) -> Any:
        return pb.GetMetadata.Response(
            resources=[pb.GetMetadata.ResourceMetadata(type_name=t) for t in self.schema.resources],
            data_sources=[pb.GetMetadata.DataSourceMetadata(type_name=t) for t in self.schema.data_sources],
            server_capabilities=pb.ServerCapabilities(get_provider_schema_optional=True),
        )

    def GetProviderSchema(self, request: Any, context: Any) -> Any:
        return self._described

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateProviderConfig.Response()

    def ConfigureProvider(self, request: Any, context: Any) -> Any:
        config = known(decode(request.config)) or {}
        self.subscription = config.get("subscription_id") or identity.SUBSCRIPTION
        self.arm.sign_in_as(config.get("client_id") or "", config.get("client_secret") or "")
        return pb.ConfigureProvider.Response()

    def StopProvider(self, request: Any, context: Any) -> Any:
        return pb.StopProvider.Response()

    def GetFunctions(self, request: Any, context: Any) -> Any:
        return pb.GetFunctions.Response()

    # --- resources -------------------------------------------------------------------------------------------------

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:
        found = check(lens_for(request.type_name), decode(request.config), self.major)
        return pb.ValidateResourceConfig.Response(diagnostics=problems(found))

    def UpgradeResourceState(self, request: Any, context: Any) -> Any:
        state = json.loads(request.raw_state.json)
        block = self._block(request.type_name)
        kept = {name: state.get(name) for name in [*block.attributes, *block.blocks]}
        for name, inner in block.blocks.items():
            if kept[name] is None and inner.nesting in ("list", "set") and name not in state:
                kept[name] = []
        return pb.UpgradeResourceState.Response(upgraded_state=encode(kept))

    def ReadResource(self, request: Any, context: Any) -> Any:
        lens, before = lens_for(request.type_name), decode(request.current_state)
        try:
            values = access.read(lens, self.arm, before["id"], before, self.major)
        except IacAgentError as problem:
            return pb.ReadResource.Response(diagnostics=[self._failed("retrieving", lens, before, problem)])
        state = settle(values, before, self._block(lens.type)) if values else None
        return pb.ReadResource.Response(new_state=encode(state), private=request.private)

    def PlanResourceChange(self, request: Any, context: Any) -> Any:
        lens = lens_for(request.type_name)
        prior, proposed, config = (decode(v) for v in (request.prior_state, request.proposed_new_state, request.config))
        if proposed is None:
            return pb.PlanResourceChange.Response(planned_state=request.proposed_new_state, planned_private=request.prior_private)
        planned = plan(lens, prior, proposed, config, self.major)
        found = lens.hooks.plan_check(prior, planned, self.major) if lens.hooks.plan_check else []
        paths = replacements(lens, prior, planned, self.major) if prior else []
        return pb.PlanResourceChange.Response(
            planned_state=encode(planned),
            requires_replace=[attribute_path(p) for p in paths],
            planned_private=request.prior_private,
            diagnostics=multiple(found),
            legacy_type_system=True,
        )

    def ApplyResourceChange(self, request: Any, context: Any) -> Any:
        lens = lens_for(request.type_name)
        prior, planned = decode(request.prior_state), known(decode(request.planned_state))
        config = known(decode(request.config)) or {}
        verb = "creating" if prior is None else "deleting" if planned is None else "updating"
        try:
            state = self._apply(lens, prior, planned, config)
        except IacAgentError as problem:
            failed = self._failed(verb, lens, planned or prior, problem)
            return pb.ApplyResourceChange.Response(new_state=request.prior_state, diagnostics=[failed], legacy_type_system=True)
        return pb.ApplyResourceChange.Response(new_state=encode(state), private=request.planned_private, legacy_type_system=True)

    def _apply(self, lens: Lens, prior: Values | None, planned: Values | None, config: Values) -> Values | None:
        values = numbers({**(planned or prior or {}), **self._write_only(lens, config)}, self._block(lens.type))
        with self._writing(lens, values):
            if planned is None:
                assert prior is not None
                access.delete(lens, self.arm, prior["id"], prior, self.major)
                return None
            if prior is None:
                resource_id = self._create(lens, values)
            else:
                resource_id = prior["id"]
                access.update(lens, self.arm, resource_id, prior, values, self.major)
        live = access.read(lens, self.arm, resource_id, planned, self.major)
        if live is None:
            raise IacAgentError(f"{resource_id} was not found after it was written")
        return settle(live, planned, self._block(lens.type))

    def _write_only(self, lens: Lens, config: Values) -> Values:
        names = [n for n, a in self._block(lens.type).attributes.items() if a.write_only]
        return {n: config[n] for n in names if config.get(n) is not None}

    def _writing(self, lens: Lens, values: Values) -> AbstractContextManager[Any]:
        """Writes inside one parent take turns, as azurerm's do: some of them read, change and write that parent whole."""
        inside = re.match(r"\{(\w+_id)\}", lens.id)
        parent = getattr(lens.strategy, "parent", "") or (inside[1] if inside else "")
        owner = str(values.get(parent) or "").lower()
        return self._owners[owner] if owner else nullcontext()

    def _create(self, lens: Lens, values: Values) -> str:
        if lens.hooks.prepare:
            lens.hooks.prepare(self.arm, values, self.subscription)
        resource_id = lens.build_id(values, self.subscription)
        if "{" not in resource_id and access.live_body(lens, self.arm, resource_id, self.major) is not None:
            raise IacAgentError(_EXISTS.format(id=resource_id, type=lens.type))
        return access.create(lens, self.arm, values, self.subscription, self.major)

    @staticmethod
    def _failed(verb: str, lens: Lens, values: Values | None, problem: IacAgentError) -> Any:
        name = (values or {}).get("name") or (values or {}).get("id") or lens.type
        return diagnostic(f"{verb} {lens.type} {name!r}: {problem.message}", problem.hint)

    def ImportResourceState(self, request: Any, context: Any) -> Any:
        lens = lens_for(request.type_name)
        if not lens.parse_id(request.id):
            wrong = diagnostic(f"parsing {request.id!r}: this is not the id of an {lens.type}", f"It looks like {lens.id}")
            return pb.ImportResourceState.Response(diagnostics=[wrong])
        block = self._block(request.type_name)
        state: Values = dict.fromkeys(block.attributes)
        state |= {name: [] if b.nesting in ("list", "set") else None for name, b in block.blocks.items()}
        state["id"] = request.id
        if "admin_password" in block.attributes:
            state["admin_password"] = IMPORTED
        imported = pb.ImportResourceState.ImportedResource(type_name=request.type_name, state=encode(state))
        return pb.ImportResourceState.Response(imported_resources=[imported])

    def MoveResourceState(self, request: Any, context: Any) -> Any:
        text = f"azurerm does not support moving {request.source_type_name} to {request.target_type_name}"
        return pb.MoveResourceState.Response(diagnostics=[diagnostic(text)])

    # --- data sources ------------------------------------------------------------------------------------------------

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateDataResourceConfig.Response()

    def ReadDataSource(self, request: Any, context: Any) -> Any:
        config = known(decode(request.config))
        try:
            state = data.read(request.type_name, config, self.arm, self.subscription, self.major)
        except IacAgentError as problem:
            return pb.ReadDataSource.Response(diagnostics=[diagnostic(problem.message, problem.hint)])
        return pb.ReadDataSource.Response(state=encode(state))
