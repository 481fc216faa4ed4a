"""How much is an index to look at? Milvus' parameters of searches, by type of index."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from elanus_server.failures import MilvusError, invalid

_INT_MAX = 2**31 - 1
_FLOAT_MAX = 3.4028234663852886e38
_LISTS = ("IVF_FLAT", "IVF_SQ8", "IVF_PQ", "IVF_RABITQ", "SCANN", "BIN_IVF_FLAT")
_REFINING = ("HNSW_SQ", "HNSW_PQ", "HNSW_PRQ", "IVF_RABITQ")
_DISK = ("DISKANN", "AISAQ")


class _Whole(NamedTuple):
    """A parameter that is a whole number.

    Attributes:
        least: The least one.
        most: The largest one.
        is_width: It says how many candidates there are, and has to be as large as the limit.
    """

    least: int = 1
    most: int = _INT_MAX
    is_width: bool = False


def _known(kind: str) -> dict[str, _Whole]:
    """Return the parameters of a type of index."""
    if kind in ("HNSW_PQ", "HNSW_PRQ"):
        return {"ef": _Whole()}
    known = {}
    if kind in _LISTS:
        known["nprobe"] = _Whole(most=65_536)
    if kind == "IVF_RABITQ":
        known["rbq_bits_query"] = _Whole(least=0, most=8)
    if kind == "SCANN":
        known["reorder_k"] = _Whole(is_width=True)
    if kind in _DISK:
        known |= dict.fromkeys(("search_list", "search_list_size"), _Whole(is_width=True))
    if kind == "GPU_CAGRA":
        known["itopk_size"] = _Whole()
    if kind not in (*_LISTS, *_DISK, "FLAT", "BIN_FLAT"):
        known["ef"] = _Whole(is_width=True)
    return known


def read_widths(kind: str, given: Mapping[str, Any], limit: int) -> dict[str, int]:
    """Return the parameters of a search that its index knows.

    Args:
        kind: Type of the index, by Milvus' name.
        given: What the client says, by name.
        limit: How many hits it wants.

    Raises:
        MilvusError: One of them is of another type, or out of its range.
    """
    found = {}
    for name, known in _known(kind).items():
        if name not in given:
            continue
        value = _whole(name, given[name])
        if not known.least <= value <= known.most:
            raise _out_of_range(name, value, known.least, known.most)
        if known.is_width and value < limit:
            raise invalid(f"{name}({value}) should be larger than k({limit})")
        found[name] = value
    if kind in _REFINING and "refine_k" in given:
        factor = _number("refine_k", given["refine_k"])
        if not 1 <= factor <= _FLOAT_MAX:
            raise _out_of_range("refine_k", factor, "1.000000", f"{_FLOAT_MAX:.6f}")
    if "drop_ratio_search" in given:
        share = _number("drop_ratio_search", given["drop_ratio_search"])
        if not 0 <= share < 1:
            raise invalid(
                f"Out of range in json: param 'drop_ratio_search' ({share}) should be in range "
                f"[0.000000, 1.000000)"
            )
    return found


def _out_of_range(name: str, value: Any, least: Any, most: Any) -> MilvusError:
    return invalid(
        f"Out of range in json: param '{name}' ({value}) should be in range [{least}, {most}]"
    )


def _conflict(name: str, value: Any, wanted: str) -> MilvusError:
    return invalid(
        f"Type conflict in json: param '{name}' ({json.dumps(value)}) should be {wanted}"
    )


def _whole(name: str, value: Any) -> int:
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?\d{1,18}", value):
            raise invalid(f"invalid integer value, key: '{name}', value: '{value}'")
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _conflict(name, value, "integer")
    return value


def _number(name: str, value: Any) -> float:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise invalid(f"invalid float value, key: '{name}', value: '{value}'") from None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _conflict(name, value, "a number")
    return value
