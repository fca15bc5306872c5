"""The paths below /gym/, which Azure does not have: settings, size, going back in time, and tokens for any principal."""

from __future__ import annotations

from typing import Any

from iac_agent.gym import faults, identity
from iac_agent.gym.cloud import Cloud
from iac_agent.gym.limits import Limits
from iac_agent.gym.store import Body

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
}


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
            cloud.store.checkpoint()
            return {}
        case "POST", "/gym/rewind":
            if not cloud.store.rewind():
                raise faults.conflict("NoCheckpoint", "The gym has no checkpoint to go back to.")
            return {}
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
        element = {"faults": dict, "forbidden": str}.get(name)
        if isinstance(value, list) and element is not None and not all(isinstance(e, element) for e in value):
            raise _invalid(name, value)
    return given


def _invalid(name: str, value: Any) -> faults.ArmFaultError:
    return faults.bad_request("InvalidSetting", f"The gym has no setting {name} with the value {value!r}.")
