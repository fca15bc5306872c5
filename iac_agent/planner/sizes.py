"""VM sizes as requests speak of them: which one is a step up or down, and which one a wrong name may have meant."""

from __future__ import annotations

from iac_agent.azure.sizes import Size, all_sizes, get
from iac_agent.planner.protocol import Question, Unsettled

__all__ = ["Size", "all_sizes", "get"]


def require(name: str) -> Size:
    """Raises Unsettled, with the sizes that come close, when there is none of that name."""
    known = get(name)
    if known is None:
        raise Unsettled(Question(f"There is no VM size {name} that I know.", dict.fromkeys(nearest(name), "")))
    return known


def in_series(size: Size) -> list[Size]:
    """The sizes of a series by number of cores."""
    return sorted((s for s in all_sizes().values() if s.series == size.series), key=lambda s: s.cores)


def with_cores(size: Size, cores: int) -> Size | None:
    """The same series with another number of cores; of burstable ones the nearest in memory per core."""
    same = next((s for s in in_series(size) if s.cores == cores), None)
    if same is not None or not size.is_burstable:
        return same
    alike = [s for s in all_sizes().values() if s.is_burstable and s.cores == cores and s.version == size.version]
    return min(alike, key=lambda s: abs(s.memory / s.cores - size.memory / size.cores), default=None)


def step(size: Size, by: int) -> Size | None:
    """The next size of the series up (+1) or down (-1)."""
    series = in_series(size)
    position = series.index(size) + by
    return series[position] if 0 <= position < len(series) else None


def with_cores_and_memory(size: Size | None, cores: int, memory: float) -> list[Size]:
    """Sizes with exactly these, those most like the present one first, then the cheapest."""
    fitting = [s for s in all_sizes().values() if s.cores == cores and abs(s.memory - memory) < 0.6]
    suffix = size.series.split("*")[-1] if size else ""
    bursts = size is not None and size.is_burstable
    return sorted(
        fitting,
        key=lambda s: (
            s.is_burstable and not bursts,
            s.series.split("*")[-1] != suffix,
            size is not None and s.version != size.version,
            s.price or 9e9,
        ),
    )


def nearest(name: str) -> list[str]:
    """Sizes that a name that does not exist may have meant."""
    import difflib

    known = {s.name.lower(): s.name for s in all_sizes().values()}
    return [known[n] for n in difflib.get_close_matches(name.lower(), list(known), n=4, cutoff=0.6)]
