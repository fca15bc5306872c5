"""The paths below /gym/, which Azure does not have: settings, the clock, load, size, going back in time, tokens for any principal."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fnmatch import fnmatch
from typing import Any

from iac_agent.gym import faults, identity
from iac_agent.gym.cloud import Cloud
from iac_agent.gym.life import history, metrics
from iac_agent.gym.life.definitions import find
from iac_agent.gym.life.history import minute_of
from iac_agent.gym.life.load import Load
from iac_agent.gym.life.serial import AILMENTS
from iac_agent.gym.limits import Limits
from iac_agent.gym.store import Body, Resource

_SETTINGS: dict[str, tuple[type, ...]] = {
    "operation_seconds": (int, float),
    "clock_offset": (int, float),
    "latency_seconds": (int, float),
    "graph_lag_seconds": (int, float),
    "activity_delay_seconds": (int, float),
    "token_seconds": (int,),
    "throttle": (bool,),
    "faults": (list,),
    "forbidden": (list,),
    "quota": (dict,),
    "deleted_vaults": (dict,),
    "seed": (int,),
    "smtp": (str,),
}


def _name(query: dict[str, str]) -> str:
    """The name of a checkpoint: small letters, or nothing."""
    name = query.get("name", "")
    if name and not (name.isascii() and name.isalpha() and name.islower()):
        raise faults.bad_request("InvalidName", "A checkpoint is named with small letters.")
    return name


def answer(cloud: Cloud, limits: Limits, key: bytes, method: str, path: str, body: Body, query: dict[str, str]) -> Body:
    """Answer one call. Raises NotEmulated or InvalidSetting."""
    match method, path:
        case "PUT", "/gym/settings":
            for name, value in _checked(body).items():
                cloud.store.set_setting(name, value)
            limits.forget()
            return {}
        case "GET", "/gym/status":
            return {"resources": cloud.store.count(), "endpoint": cloud.endpoint}
        case "GET", "/gym/calls":
            return dict(limits.counted)
        case "POST", "/gym/reset":
            cloud.store.reset()
            limits.forget()
            return {}
        case "POST", "/gym/checkpoint":
            cloud.store.checkpoint(_name(query))
            return {}
        case "POST", "/gym/rewind":
            if not cloud.store.rewind(_name(query)):
                raise faults.conflict("NoCheckpoint", "The gym has no checkpoint to go back to.")
            return {}
        case "GET", "/gym/time":
            return _time(cloud)
        case "POST", "/gym/time":
            return _moved(cloud, body)
        case "POST", "/gym/load":
            return _loaded(cloud, body)
        case "POST", "/gym/ail":
            return _ailing(cloud, body)
        case "GET", "/gym/faults":
            return {"faults": cloud.store.setting("faults", [])}
        case "GET", "/gym/resources":
            return {"resources": [{"id": r.id, "body": r.body, "power": r.hidden.get("power")} for r in cloud.store.current.values()]}
        case "GET", "/gym/figure":
            return {"figure": _figure(cloud, query)}
        case "GET", "/gym/deliveries":
            return {"deliveries": cloud.store.setting("deliveries", [])}
        case "GET", "/gym/token":
            return {"access_token": identity.issue(key, cloud.endpoint, identity.principal(query.get("principal", "")))}
    raise faults.not_emulated(path)


def _checked(given: Body) -> Body:
    """The settings, checked: a wrong one must not keep the gym from starting."""
    for name, value in given.items():
        kinds = _SETTINGS.get(name, ())
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise _invalid(name, value)
        if isinstance(value, dict) and name == "quota" and not all(isinstance(v, int) and v >= 0 for v in value.values()):
            raise faults.bad_request("InvalidSetting", "Every quota is a whole number of cores.")
        if name == "faults":
            _require_patterns(value)
        element = {"faults": dict, "forbidden": str}.get(name)
        if isinstance(value, list) and element is not None and not all(isinstance(e, element) for e in value):
            raise _invalid(name, value)
    return given


def _require_patterns(ordered: Any) -> None:
    for fault in ordered:
        try:
            re.compile(str(fault.get("path", "")) if isinstance(fault, dict) else "")
        except re.error as problem:
            raise faults.bad_request("InvalidSetting", f"{fault['path']!r} is no pattern of paths: {problem}.") from problem


def _invalid(name: str, value: Any) -> faults.ArmFaultError:
    return faults.bad_request("InvalidSetting", f"The gym has no setting {name} with the value {value!r}.")


def _figure(cloud: Cloud, query: dict[str, str]) -> float | None:
    """A figure of a machine's metric over the last minutes, taken where metrics are made."""
    machine = _machines(cloud, query.get("machine", ""))[0]
    metric = find(machine.type, query.get("metric", ""))
    if metric is None:
        raise faults.bad_request("NoSuchMetric", f"A machine has no metric {query.get('metric')}.")
    end, minutes = minute_of(cloud.now()), int(query.get("minutes", 60))
    buckets = metrics.series(metrics.subject(cloud, machine), metric, end - minutes, end, minutes)
    return buckets[0].aggregate(query.get("aggregation", metric.primary))


# --- the clock -------------------------------------------------------------------------------------------------------


def _time(cloud: Cloud) -> Body:
    return {"now": cloud.now().isoformat(), "stopped": cloud.store.setting("clock_stopped") is not None}


def _moved(cloud: Cloud, body: Body) -> Body:
    """`advance` by seconds, `set` to a moment, `stop` or let run. It never goes back: what happened would lie in the future."""
    before, offset = cloud.now(), float(cloud.store.setting("clock_offset", 0))
    if "set" in body:
        try:
            wanted = datetime.fromisoformat(str(body["set"]))
        except ValueError as problem:
            raise faults.bad_request("InvalidTime", f"{body['set']!r} is not a time in ISO 8601.") from problem
        body = {**body, "advance": ((wanted if wanted.tzinfo else wanted.replace(tzinfo=UTC)) - before).total_seconds()}
    advance = body.get("advance", 0)
    if not isinstance(advance, int | float) or advance < 0:
        raise faults.bad_request("InvalidTime", "The gym's clock only goes forward; `iacagent gym rewind` goes back to a checkpoint.")
    if "stop" in body:
        stopped = before.timestamp() if body["stop"] else None
        offset = 0.0 if body["stop"] else (before - datetime.now(UTC)).total_seconds()
        cloud.store.set_setting("clock_stopped", stopped)
    cloud.store.set_setting("clock_offset", offset + advance)
    return _time(cloud)


# --- machines --------------------------------------------------------------------------------------------------------


def _machines(cloud: Cloud, pattern: str) -> list[Resource]:
    """The machines whose name fits a pattern. Raises NoSuchMachine when none does."""
    found = [m for m in cloud.store.of_type(history.VM) if fnmatch(str(m.body["name"]).lower(), pattern.lower())]
    if not found:
        raise faults.bad_request("NoSuchMachine", f"The gym holds no machine {pattern}.")
    return found


def _loaded(cloud: Cloud, body: Body) -> Body:
    """`{"vm-web-*": {"profile": "daily", "high": 80}}`: from now on."""
    done = []
    for pattern, given in body.items():
        try:
            Load.from_json(given, 0)
        except (ValueError, TypeError, AttributeError) as problem:
            raise faults.bad_request("InvalidLoad", str(problem)) from problem
        for machine in _machines(cloud, pattern):
            history.note(machine, cloud.now(), load=given)
            cloud.store.save(machine)
            done.append(str(machine.body["name"]))
    return {"loaded": done}


def _ailing(cloud: Cloud, body: Body) -> Body:
    """`{"machine": "vm-web", "boot": "fstab", "text": ""}` breaks its next start (empty heals it), and restarts it; `agent` too."""
    found = _machines(cloud, str(body.get("machine", "")))
    boot, agent = body.get("boot"), body.get("agent")
    if boot not in (None, "", *AILMENTS) or agent not in (None, "stopped", "running"):
        raise faults.bad_request("InvalidAilment", f"A boot fails by {', '.join(AILMENTS)}; an agent is stopped or running.")
    for machine in found:
        if agent is not None:
            history.note(machine, cloud.now(), agent=agent)
        if boot is not None:
            history.note(machine, cloud.now(), boot=boot, text=str(body.get("text", "")))
            if machine.hidden.get("power") == "running":
                history.note(machine, cloud.now(), power="running")
        cloud.store.save(machine)
    return {"machines": [str(m.body["name"]) for m in found]}
