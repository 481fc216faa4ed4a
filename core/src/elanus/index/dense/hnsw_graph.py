"""How does an HNSW graph lose the rows that died?

Works on the arrays in which hnswlib keeps a graph. Dead nodes are taken out, and whoever was linked
to one is linked to the nearest of that node's other neighbours instead, so that walks still get
across the gap. What is left is renumbered, and rows can be added to it.

Source: the deletion of Singh et al., "FreshDiskANN: A Fast and Accurate Graph-Based ANN Index for
Streaming Similarity Search", arXiv:2105.09613, algorithm 4, with the nearest candidates in the
place of a pruning of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elanus.types import BoolArray, Float32Array, Int64Array, UInt32Array

NodeArray: TypeAlias = NDArray[Any]
"""Nodes as records: links, vector, row id."""
GraphState: TypeAlias = dict[str, Any]
"""What hnswlib's ``Index`` is made from: numbers and arrays by name."""

REPAIRED_AT_ONCE = 4_096
"""Links to dead nodes that are replaced in one go: a bound on the vectors gathered for it."""
CANDIDATES = 12
"""Neighbours of a dead node that may take its place in a list."""
PER_DEAD_LINK = 2
"""Links that are tried for each link to a dead node, while the list has room."""


def adopt_nodes(state: Mapping[str, Any], mapping: Int64Array, max_rows: int) -> GraphState | None:
    """Return a graph of the nodes that live on, under their new row ids.

    Args:
        state: The graph; its labels are row ids.
        mapping: int64, the new row id of each row, -1 for one that died.
        max_rows: Rows that the new graph shall have room for.

    Returns:
        The state of the new graph, or None when no node is left.
    """
    nodes: NodeArray = np.asarray(state["data_level0"]).view(_node_dtype(state))
    labels = mapping[nodes["label"].astype(np.int64)]
    kept = np.flatnonzero(labels >= 0)
    if not len(kept):
        return None
    levels = _levels(state)
    blocks = np.asarray(state["link_lists"]).view(np.uint32).reshape(-1, 1 + int(state["max_M"]))
    graph = _Graph(state, nodes, blocks, labels >= 0)
    new_nodes = graph.kept_nodes(kept)
    new_nodes["label"] = labels[kept].astype(np.uint64)
    new_levels = np.zeros(max_rows, dtype=levels.dtype)
    new_levels[: len(kept)] = levels[kept]
    entry = int(state["enterpoint_node"])
    if labels[entry] < 0:
        entry = int(kept[np.argmax(levels[kept])])
    return {
        **state,
        "max_elements": max_rows,
        "cur_element_count": len(kept),
        "max_level": int(levels[entry]),
        "enterpoint_node": int(graph.numbers[entry]),
        "has_deletions": False,
        "label_lookup_external": new_nodes["label"].copy(),
        "label_lookup_internal": np.arange(len(kept), dtype=np.uint32),
        "element_levels": new_levels,
        "data_level0": new_nodes.view(np.int8),
        "link_lists": graph.kept_blocks().reshape(-1).view(np.int8),
    }


def _node_dtype(state: Mapping[str, Any]) -> np.dtype[np.void]:
    """Return the layout of a node: its links of level 0, its vector, its row id."""
    links = int(state["max_M0"])
    return np.dtype(
        [
            ("count", "<u4"),
            ("links", "<u4", (links,)),
            ("vector", "<f4", (int(state["dim"]),)),
            ("label", "<u8"),
        ]
    )


@dataclass(frozen=True, slots=True)
class _Lists:
    """Link lists of one kind: those of level 0, or those of the levels above.

    Attributes:
        owners: Node of each list, int64.
        links: uint32, shape ``(lists, width)``.
        counts: Links in use of each list.
        of_node: First list of each node; that of level ``l`` above 0 is ``l - 1`` further on.
        depth: For each list, how much further than ``of_node`` of its owner it lies.
    """

    owners: Int64Array
    links: UInt32Array
    counts: Int64Array
    of_node: Int64Array
    depth: Int64Array

    def used(self, lists: Int64Array) -> BoolArray:
        """Return which places of the given lists hold a link."""
        places: BoolArray = np.arange(self.links.shape[1]) < self.counts[lists][:, None]
        return places


class _Graph:
    """The nodes of a graph, and which of them stay."""

    def __init__(
        self, state: Mapping[str, Any], nodes: NodeArray, blocks: UInt32Array, keep: BoolArray
    ) -> None:
        self._nodes = nodes
        self._is_l2 = state["space"] == "l2"
        self._vectors: Float32Array = nodes["vector"]
        levels = _levels(state)
        self._keep = keep
        self.numbers: Int64Array = np.where(keep, np.cumsum(keep) - 1, -1)
        ids = np.arange(len(nodes), dtype=np.int64)
        self._ground = _Lists(
            ids, nodes["links"], _counts(nodes["count"]), ids, np.zeros(len(nodes), dtype=np.int64)
        )
        starts = np.cumsum(levels, dtype=np.int64) - levels
        owners = np.repeat(ids, levels)
        self._upper = _Lists(
            owners,
            blocks[:, 1:],
            _counts(blocks[:, 0]),
            starts,
            np.arange(len(owners), dtype=np.int64) - starts[owners],
        )

    def kept_nodes(self, kept: Int64Array) -> NodeArray:
        """Return the nodes that stay, with repaired links under their new numbers."""
        nodes = self._nodes[kept]
        if len(kept) < len(self._nodes):
            nodes["links"], nodes["count"] = self._relinked(self._ground, kept)
        return nodes

    def kept_blocks(self) -> UInt32Array:
        """Return the lists of the upper levels of the nodes that stay."""
        lists = np.flatnonzero(self._keep[self._upper.owners]).astype(np.int64)
        links, counts = self._relinked(self._upper, lists)
        return np.ascontiguousarray(np.column_stack([counts, links]).astype(np.uint32))

    def _relinked(self, all_: _Lists, lists: Int64Array) -> tuple[UInt32Array, UInt32Array]:
        """Return the links and their number of the given lists, whose owners stay."""
        links = all_.links[lists].astype(np.int64)
        used = all_.used(lists)
        stays = used & self._keep[np.where(used, links, 0)]
        where, place = np.nonzero(used & ~stays)
        fresh = [
            self._replacements(all_, lists, where[part], links[where[part], place[part]])
            for part in _parts(len(where))
        ]
        found = np.concatenate([np.empty((0, 3)), *fresh])
        return self._packed(links, stays, found)

    def _replacements(
        self, all_: _Lists, lists: Int64Array, where: Int64Array, dead: Int64Array
    ) -> NDArray[np.float64]:
        """Return ``(place in lists, distance, node)`` of links to put in the place of dead ones.

        Args:
            all_: All lists of this kind.
            lists: The lists to be repaired.
            where: Places in ``lists``, one per dead link.
            dead: The dead node of each of them.
        """
        owners = all_.owners[lists[where]]
        theirs = all_.of_node[dead] + all_.depth[lists[where]]
        width = min(CANDIDATES, all_.links.shape[1])
        links = all_.links[theirs, :width].astype(np.int64)
        usable = all_.used(theirs)[:, :width]
        links[~usable] = 0
        usable &= self._keep[links] & (links != owners[:, None])
        row, column = np.nonzero(usable)
        nodes = links[row, column]
        distance = np.full(links.shape, np.inf, dtype=np.float32)
        distance[row, column] = self._distances(owners[row], nodes)
        best = np.argsort(distance, axis=1)[:, :PER_DEAD_LINK]
        chosen = np.take_along_axis(links, best, axis=1)
        gaps = np.take_along_axis(distance, best, axis=1)
        lists_of = np.repeat(where, best.shape[1])
        table: NDArray[np.float64] = np.column_stack([lists_of, gaps.ravel(), chosen.ravel()])
        return table[np.isfinite(table[:, 1])]

    def _distances(self, left: Int64Array, right: Int64Array) -> Float32Array:
        """Return the distance of each pair of nodes, as the graph was built with."""
        a, b = self._vectors[left], self._vectors[right]
        if self._is_l2:
            a -= b
            b = a
        products: Float32Array = np.einsum("ij,ij->i", a, b)
        return products if self._is_l2 else -products

    def _packed(
        self, links: Int64Array, stays: BoolArray, found: NDArray[np.float64]
    ) -> tuple[UInt32Array, UInt32Array]:
        """Return lists with the links that stay in front, then the nearest replacements."""
        width = links.shape[1]
        place, column = np.nonzero(stays)
        old = np.stack([place, column - width, links[place, column]], axis=1)
        table = np.concatenate([old.astype(np.float64), found])
        # Those that stay come first, by their negative second column; each node once per list.
        table = table[np.lexsort((table[:, 1], table[:, 0]))]
        where, nodes = table[:, 0].astype(np.int64), table[:, 2].astype(np.int64)
        _, first = np.unique(where * len(self._keep) + nodes, return_index=True)
        first.sort()
        where, nodes = where[first], nodes[first]
        rank = np.arange(len(where)) - np.searchsorted(where, where)
        fits = rank < width
        packed = np.zeros((len(links), width), dtype=np.uint32)
        packed[where[fits], rank[fits]] = self.numbers[nodes[fits]]
        return packed, np.bincount(where[fits], minlength=len(links)).astype(np.uint32)


def _levels(state: Mapping[str, Any]) -> NDArray[np.int32]:
    """Return the highest level of each node, int32."""
    return np.asarray(state["element_levels"], dtype=np.int32)[: int(state["cur_element_count"])]


def _counts(words: NDArray[np.uint32]) -> Int64Array:
    """Return the number of links: the lower half of the first word of a list."""
    return (words & np.uint32(0xFFFF)).astype(np.int64)


def _parts(length: int) -> list[slice]:
    return [slice(i, i + REPAIRED_AT_ONCE) for i in range(0, length, REPAIRED_AT_ONCE)]
