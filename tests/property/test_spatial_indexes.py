"""R-trees against a look at every box, and filters answered by them against shapely row by row."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

import elanus
from elanus.engine.indexing import scalar_builds
from elanus.errors import CorruptionError
from elanus.filter import logic
from elanus.filter.spatial.geometry import distance_test
from elanus.filter.spatial.geometry_store import Geometries
from elanus.filter.spatial.sphere import arc_boxes, boxes_around, distances
from elanus.index.scalar import rtree
from elanus.index.scalar.registry import open_index
from elanus.index.scalar.rtree import RTree

SCHEMA = elanus.Schema(
    [
        elanus.Field("id", elanus.INT64, primary=True),
        elanus.Field("v", elanus.FLOAT_VECTOR, dim=1),
        elanus.Field("place", elanus.GEOMETRY, nullable=True),
    ]
)
EDGES = [-180.0, 180.0, 179.99, -179.99, 0.0, 200.0, 541.0, 1e300, -1e300]
RELATIONS = ["intersects", "within", "contains", "touches", "overlaps", "crosses", "equals"]


def drawn_boxes(seed: int, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return boxes all over the globe, with some of NaN, points, and sides far outside of it."""
    drawn = np.random.default_rng(seed)
    low = drawn.uniform((-180, -90), (180, 90), (count, 2))
    size = drawn.choice([0, 0.01, 5, 300], (count, 1)) * drawn.uniform(0, 1, (count, 2))
    boxes = np.concatenate([low, low + size], axis=1)
    boxes[:, 1::2] = boxes[:, 1::2].clip(-90, 90)
    odd = drawn.random(count) < 0.1
    boxes[odd, 0] = boxes[odd, 2] = drawn.choice(EDGES, count)[odd]
    boxes[drawn.random(count) < 0.1] = np.nan
    return boxes


def written(tree: RTree) -> RTree:
    header, arrays = tree.to_arrays()
    read = open_index(header, arrays)
    assert isinstance(read, RTree)
    return read


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0, 1, 2, 63, 64, 65, 4096, 4097]))
def test_trees_find_what_a_look_at_every_box_finds(seed: int, count: int) -> None:
    boxes = drawn_boxes(seed, count)
    tree = written(RTree.build(boxes))
    drawn = random.Random(seed)
    wanted = [tuple(drawn_boxes(drawn.randrange(2**32), 1)[0]) for _ in range(3)]
    expected = np.flatnonzero(rtree.boxes_meet(boxes, wanted))
    assert tree.candidates(wanted).rows().tolist() == expected.tolist()
    here = drawn.choice([(180, 89.9), (-179.9, 0), (10, 10), (900, -89), (0, 90)])
    circle = boxes_around(*here, drawn.choice([0, 1e3, 1e6, 3e7]))
    expected = np.flatnonzero(rtree.boxes_meet(arc_boxes(boxes), circle))
    assert tree.candidates(circle, arc_boxes).rows().tolist() == expected.tolist()


def test_few_shared_boxes_are_looked_into() -> None:
    drawn = np.random.default_rng(1)
    points = drawn.uniform(0, 1, (100_000, 2))
    tree = RTree.build(np.concatenate([points, points], axis=1))
    looked_at = []

    def counted(boxes: Any) -> Any:
        looked_at.append(len(boxes))
        return boxes

    found = tree.candidates([(0.5, 0.5, 0.51, 0.51)], counted)
    assert 5 <= found.count <= 20
    assert looked_at[:2] == [1, 25]
    assert sum(looked_at) < 1_000


def test_trees_that_do_not_fit_are_damaged() -> None:
    header, arrays = RTree.build(drawn_boxes(1, 100)).to_arrays()
    for name in arrays:
        with pytest.raises(CorruptionError, match="RTREE index has arrays that do not fit"):
            open_index(header, {**arrays, name: arrays[name][1:]})
    with pytest.raises(CorruptionError, match="RTREE index is not understood"):
        open_index({"type": "RTREE"}, arrays)


def test_arcs_run_nearer_to_the_pole_than_their_ends() -> None:
    # From 60 degrees west to 60 degrees east, at 60 degrees north: in the middle at
    # atan(tan(60) / cos(60)) = 73.8979 degrees.
    line = shapely.from_wkt("LINESTRING (-60 60, 60 60)")
    geometries = Geometries(np.array([line]), shapely.bounds([line]))
    tree = RTree.build(geometries.boxes)
    for wkt, meters, passes in [
        ("POINT (0 73.8979)", 10, True),
        ("POINT (0 73.8979)", 0, False),
        ("POINT (0 75)", 122_500, False),
        ("POINT (0 75)", 122_600, True),
        ("POINT (360 75)", 122_600, True),
    ]:
        question = distance_test(wkt, meters)
        assert question.boxes is not None
        assert question.matches(geometries).tolist() == [passes]
        found = tree.candidates(question.boxes, question.widened).count
        assert found >= passes


def test_areas_across_the_180th_meridian_hold_places_of_both_sides() -> None:
    area = shapely.from_wkt("POLYGON ((170 -5, 190 -5, 190 5, 170 5, 170 -5))")
    geometries = Geometries(np.array([area]), shapely.bounds([area]))
    tree = RTree.build(geometries.boxes)
    for x in (-175, 175, 185, 545):
        question = distance_test(f"POINT ({x} 0)", 0)
        assert question.boxes is not None
        assert question.matches(geometries).tolist() == [True]
        assert tree.candidates(question.boxes, question.widened).count == 1


# --- through the public API -------------------------------------------------------------------


def drawn_shape(drawn: random.Random) -> str | None:
    x, y = drawn.randint(-4, 4) * 45, drawn.choice([-90, -89, -30, 0, 30, 89, 90])
    other = x + drawn.choice([1, 10, 90]), max(-90, min(90, y + drawn.choice([-20, 1, 0])))
    third = x, max(-90, min(90, y + 15))
    return drawn.choice(
        [
            None,
            "POINT EMPTY",
            f"POINT ({x} {y})",
            f"LINESTRING ({x} {y}, {other[0]} {other[1]})",
            f"POLYGON (({x} {y}, {other[0]} {other[1]}, {third[0]} {third[1]}, {x} {y}))",
            f"POLYGON (({x} {y}, {x + 9} {y}, {x} {y + 5}, {x + 9} {y + 5}, {x} {y}))",
        ]
    )


def questions(drawn: random.Random) -> list[tuple[str, Any]]:
    """Return filters, and for each what tells whether a shape passes."""
    made: list[tuple[str, Any]] = []
    for relation in RELATIONS:
        wkt = drawn_shape(drawn) or "POINT (0 0)"
        other = shapely.from_wkt(wkt)
        if other.is_valid:
            ask = getattr(shapely, relation)
            made.append((f"st_{relation}(place, '{wkt}')", lambda s, o=other, a=ask: a(s, o)))
    for _ in range(3):
        here = shapely.Point(drawn.choice([-180, 179.5, 0, 45]), drawn.choice([-90, 0, 89.5, 90]))
        meters = drawn.choice([0, 1_000, 60_000, 2e6, 1e7])
        within = f"st_dwithin(place, '{here.wkt}', {meters})"
        made.append((within, lambda s, h=here, m=meters: distances(h, np.array([s]))[0] <= m))
    return made


def check(collection: elanus.Collection, rows: dict[int, Any], drawn: random.Random) -> None:
    for text, passes in questions(drawn):
        expected = {i for i, s in rows.items() if s is not None and passes(s)}
        known = {i for i, s in rows.items() if s is not None}
        assert {e["id"] for e in collection.query(text, ["id"])} == expected, text
        found = {e["id"] for e in collection.query(f"not {text}", ["id"])}
        assert found == known - expected, text


@settings(deadline=None, max_examples=6)
@given(seed=st.integers(0, 2**32))
def test_indexed_geometries_are_those_of_shapely(seed: int) -> None:
    drawn = random.Random(seed)
    patched = pytest.MonkeyPatch()
    for name in ("INDEX_NS", "GATHERED_NS", "ROW_NS", "VERIFIED_NS", "VERIFIED_FACTOR"):
        patched.setattr(logic, name, 0.0)
    patched.setattr(scalar_builds, "MIN_INDEXED_ROWS", 20)
    with patched.context(), elanus.connect(":memory:") as db:
        collection = db.create_collection("c", SCHEMA)
        rows: dict[int, Any] = {}

        def insert(count: int) -> None:
            first = max(rows, default=-1) + 1
            shapes = {first + i: drawn_shape(drawn) for i in range(count)}
            # Of what breaks the rules of OGC, GEOS does not say the same twice.
            shapes = {i: s for i, s in shapes.items() if s is None or shapely.from_wkt(s).is_valid}
            collection.insert([{"id": i, "v": [1.0], "place": s} for i, s in shapes.items()])
            rows.update({i: None if s is None else shapely.from_wkt(s) for i, s in shapes.items()})

        insert(200)
        collection.create_index("place", drawn.choice(["RTREE", "AUTO", "AUTOINDEX"]))
        collection.flush()
        collection.wait_indexed()
        plan = collection.explain("st_within(place, 'POLYGON ((0 0, 9 0, 9 9, 0 0))')")[0]
        assert [step.method for step in plan.sources[0].steps] == ["RTREE"]
        check(collection, rows, drawn)
        insert(100)
        collection.delete("id in [3, 5, 9]")
        for gone in (3, 5, 9):
            rows.pop(gone, None)
        check(collection, rows, drawn)  # some of it in memory
        collection.flush()
        collection.compact()
        collection.wait_indexed()
        check(collection, rows, drawn)
    patched.undo()
