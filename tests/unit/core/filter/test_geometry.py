"""Relations of geometries, against shapely row by row, and distances, against the haversine."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

import elanus
from elanus.errors import EntityError, FilterError, PluginNotInstalledError
from elanus.filter import (
    FieldRef,
    Literal,
    Relation,
    Spatial,
    batch_columns,
    compile_filter,
    field,
    parse,
    to_text,
)
from elanus.filter.spatial.sphere import EARTH_RADIUS, arc_boxes, boxes_around, distances
from elanus.schema.converters import convert_column
from elanus.schema.validation import entities_to_batch

PLACE = elanus.Field("place", elanus.GEOMETRY, nullable=True)
SCHEMA = elanus.Schema([elanus.Field("id", elanus.INT64, primary=True), PLACE])
SQUARE = "POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0))"

# A grid so small that geometries touch, cover and equal each other, and rings cross.
XY = st.tuples(st.integers(-3, 3), st.integers(-3, 3))
POINTS = XY.map(shapely.Point)
LINES = st.lists(XY, min_size=2, max_size=4).map(shapely.LineString)
AREAS = st.lists(XY, min_size=3, max_size=5).map(shapely.Polygon)
SIMPLE = st.one_of(
    POINTS, LINES, AREAS, st.sampled_from(["POINT EMPTY", "POLYGON EMPTY"]).map(shapely.from_wkt)
)
SHAPES = st.one_of(
    SIMPLE,
    st.lists(POINTS, max_size=3).map(shapely.MultiPoint),
    st.lists(SIMPLE, max_size=3).map(shapely.GeometryCollection),
)
BINARY = [r for r in Relation if r not in (Relation.IS_VALID, Relation.DWITHIN)]


def allowed(condition, shapes) -> list[bool]:
    rows = [{"id": i, "place": shape} for i, shape in enumerate(shapes)]
    bound = compile_filter(condition, SCHEMA)
    assert bound is not None
    return bound.evaluate(batch_columns(entities_to_batch(SCHEMA, rows))).tolist()


# Of what breaks the rules of OGC, GEOS does not say the same twice.
VALID = SHAPES.filter(lambda shape: shape.is_valid)


@given(st.lists(VALID | st.none(), max_size=6), VALID, st.sampled_from(BINARY))
def test_relations_are_those_of_shapely(shapes, other, relation):
    name = relation.removeprefix("st_")
    condition = Spatial(relation, FieldRef("place"), Literal(other.wkt))
    expected = [s is not None and bool(getattr(s, name)(other)) for s in shapes]
    assert allowed(condition, shapes) == expected
    assert allowed(~condition, shapes) == [
        s is not None and not e for s, e in zip(shapes, expected, strict=True)
    ]


# Rectangles, and what has the same box or as many corners and is none.
LIKE_RECTANGLES = [
    "POLYGON ((-2 -2, 2 -2, 2 2, -2 2, -2 -2))",
    "POLYGON ((2 1, 2 3, -3 3, -3 1, 2 1))",
    "POLYGON ((0 -2, 2 0, 0 2, -2 0, 0 -2))",
    "POLYGON ((-2 -2, 2 -2, 2 2, -1 2, -2 -2))",
    "POLYGON ((-2 -2, 2 -2, 2 2, 0 0, -2 2, -2 -2))",
    "POLYGON ((-2 -2, 2 2, 2 -2, -2 2, -2 -2))",
    "POLYGON ((-3 -3, 3 -3, 3 3, -3 3, -3 -3), (-2 -2, 2 -2, 2 2, -2 2, -2 -2))",
    "LINESTRING (-2 -2, 2 -2, 2 2, -2 2, -2 -2)",
]


@pytest.mark.parametrize("wkt", LIKE_RECTANGLES)
@pytest.mark.parametrize("relation", [Relation.WITHIN, Relation.INTERSECTS, Relation.TOUCHES])
def test_rectangles_are_shapes_like_others(wkt, relation):
    steps = range(-3, 4)
    points = [shapely.Point(x, y) for x in steps for y in steps]
    lines = [shapely.LineString([(x, y), (x + 1, y + 1)]) for x in steps for y in steps]
    boxes = [shapely.box(x, y, x + 1, y + 1) for x in steps for y in steps]
    shapes, other = [*points, *lines, *boxes], shapely.from_wkt(wkt)
    if not other.is_valid:
        shapes = points
    condition = Spatial(relation, FieldRef("place"), Literal(wkt))
    name = relation.removeprefix("st_")
    assert allowed(condition, shapes) == [bool(getattr(s, name)(other)) for s in shapes]


@given(st.lists(SHAPES, max_size=6), SHAPES, st.sampled_from(BINARY))
def test_geometries_that_break_the_rules_have_some_answer(shapes, other, relation):
    condition = Spatial(relation, FieldRef("place"), Literal(other.wkt))
    assert len(allowed(condition, shapes)) == len(shapes)


STAYS = "GEOMETRYCOLLECTION (POLYGON ((0 0, 0 0, 0 1, 0 0)), POLYGON ((0 0, 0 2, 2 0, 0 0)))"


@pytest.mark.parametrize("relation", BINARY)
def test_rings_that_stay_on_one_place_do_not_end_a_filter(relation):
    others = ["POINT (1 0.5)", "LINESTRING (0 2, 2 0)", "POINT (9 9)", SQUARE]
    shapes = [shapely.from_wkt(text) for text in (*others, STAYS)]
    for other in others:
        holds = allowed(Spatial(relation, FieldRef("place"), Literal(other)), shapes)
        name = relation.removeprefix("st_")
        given = shapely.from_wkt(other)
        assert holds[:-1] == [bool(getattr(shape, name)(given)) for shape in shapes[:-1]]
    holds = allowed(Spatial(Relation.INTERSECTS, FieldRef("place"), Literal(others[0])), shapes)
    assert holds == [True, False, False, True, True]


@given(st.lists(SHAPES | st.none(), max_size=6))
def test_validity_is_that_of_shapely(shapes):
    assert allowed("ST_ISVALID(place)", shapes) == [s is not None and s.is_valid for s in shapes]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        (f"ST_WITHIN(place, '{SQUARE}')", [True, False, False, False]),
        (f"ST_TOUCHES(place, '{SQUARE}')", [False, True, False, False]),
        (f"ST_CROSSES(place, '{SQUARE}')", [False, False, True, False]),
        (f"st_overlaps(place, '{SQUARE}')", [False, False, False, True]),
        (f"St_Intersects(place, '{SQUARE}')", [True, True, True, True]),
        ("ST_CONTAINS(place, 'POINT (5 5)')", [False, False, False, True]),
        ("ST_EQUALS(place, 'POINT (1 1)')", [True, False, False, False]),
        ("ST_DWITHIN(place, 'POINT (1 2)', 120000)", [True, False, True, False]),
        ("ST_DWITHIN(place, 'POINT (1 2)', 0.0)", [False, False, True, False]),
        ("place is null", [False] * 4),
    ],
)
def test_functions(text, holds):
    shapes = [
        "POINT (1 1)",
        "LINESTRING (4 -1, 4 5)",
        "LINESTRING (-1 2, 5 2)",
        "POLYGON ((3 3, 6 3, 6 6, 3 6, 3 3))",
    ]
    assert allowed(text, shapes) == holds


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ({"place": {"$st_within": SQUARE}}, f'st_within(place, "{SQUARE}")'),
        (
            {"place": {"$st_dwithin": {"shape": "POINT (1 2)", "distance": 5}}},
            'st_dwithin(place, "POINT (1 2)", 5)',
        ),
        ({"place": {"$st_isvalid": True}}, "st_isvalid(place)"),
        ({"place": {"$st_isvalid": False}}, "not st_isvalid(place)"),
        (field("place").st("equals", SQUARE), f'st_equals(place, "{SQUARE}")'),
        (field("place").st("dwithin", "POINT (1 2)", 5.5), 'st_dwithin(place, "POINT (1 2)", 5.5)'),
        (field("place").is_valid_geometry(), "st_isvalid(place)"),
    ],
)
def test_dicts_trees_and_text_say_the_same(condition, text):
    bound = compile_filter(condition, SCHEMA)
    assert str(bound) == text
    assert compile_filter(text, SCHEMA) == bound
    assert to_text(parse(text)) == text


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("place == 'POINT (1 2)'", "cannot be compared.*\n.*\n.*\n.*st_equals"),
        ("place in ['POINT (1 2)']", "'in' takes no field 'place'"),
        ("st_within(place, 'POINT (1')", "'st_within' got .* no WKT: Expected"),
        (f"st_within(place, '{'GEOMETRYCOLLECTION (' * 40_000}')", "nested deeper than 32"),
        ("st_within(place, 5)", "'st_within' takes a text in quotes"),
        ("st_within(place)", "st_within takes 2 arguments, got 1"),
        ("st_within(id, 'POINT (1 2)')", "'st_within' takes a GEOMETRY field, got field 'id'"),
        ("st_dwithin(place, 'LINESTRING (1 2, 3 4)', 5)", "the distance is that to a POINT"),
        ("st_dwithin(place, 'POINT (1 91)', 5)", "a latitude from -90 to 90"),
        ("st_dwithin(place, 'POINT (1 2)', -5)", "0 or more meters, got -5"),
        ("st_dwithin(place, 'POINT (1 2)', 'far')", "^the distance of 'st_dwithin' is a number"),
        ("st_dwithin(place, 'POINT (1 2)', id)", "^the distance of 'st_dwithin' is a number"),
        ("place like 'POINT%'", "'like' takes a text field"),
        ("place", "expected a condition"),
        ({"place": {"$st_dwithin": "POINT (1 2)"}}, "a dict of 'shape' and 'distance'"),
        ({"place": {"$st_near": "POINT (1 2)"}}, "unknown operator"),
    ],
)
def test_what_geometries_are_not_is_an_error(condition, message):
    with pytest.raises(FilterError, match=message):
        compile_filter(condition, SCHEMA)


def test_trees_without_their_parts_are_refused():
    with pytest.raises(FilterError, match="st_dwithin takes a shape and a distance"):
        Spatial(Relation.DWITHIN, FieldRef("place"), Literal(SQUARE))
    with pytest.raises(FilterError, match="a filter tree holds nodes, got str"):
        Spatial(Relation.WITHIN, FieldRef("place"), SQUARE)
    with pytest.raises(FilterError, match="unknown relation 'withn'; did you mean 'within'"):
        field("place").st("withn", SQUARE)


# --- distances --------------------------------------------------------------------------------

LONGITUDES = st.one_of(st.floats(-180, 180), st.sampled_from([-180.0, 180.0, 0.0, 179.99]))
LATITUDES = st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, 90.0, 0.0, 89.99]))
ON_GLOBE = st.tuples(LONGITUDES, LATITUDES)


def haversine(a: tuple[float, float], b: tuple[float, float]) -> float:
    (x0, y0), (x1, y1) = [(math.radians(x), math.radians(y)) for x, y in (a, b)]
    h = math.sin((y1 - y0) / 2) ** 2 + math.cos(y0) * math.cos(y1) * math.sin((x1 - x0) / 2) ** 2
    return 2 * EARTH_RADIUS * math.asin(min(1.0, math.sqrt(h)))


@given(ON_GLOBE, st.lists(ON_GLOBE, min_size=1, max_size=5))
def test_distances_to_points_are_the_haversine(here, places):
    found = distances(shapely.Point(here), np.array([shapely.Point(p) for p in places]))
    for meters, place in zip(found, places, strict=True):
        assert meters == pytest.approx(haversine(here, place), rel=1e-6, abs=0.1)


@given(ON_GLOBE, st.tuples(LONGITUDES, st.floats(-80, 80)), st.floats(0.01, 60), st.floats(0, 9))
def test_distances_to_lines_are_the_least_to_their_places(here, start, across, up):
    end = (start[0] + across, start[1] + up)
    line = shapely.LineString([start, end])
    ends = np.radians(np.array([start, end]))
    (a, b) = [np.array([np.cos(y) * np.cos(x), np.cos(y) * np.sin(x), np.sin(y)]) for x, y in ends]
    steps = np.linspace(0, 1, 1001)[:, None]
    along = a * (1 - steps) + b * steps  # the chord; its places seen from the center are the arc
    along /= np.linalg.norm(along, axis=1)[:, None]
    places = np.degrees(np.stack([np.arctan2(along[:, 1], along[:, 0]), np.arcsin(along[:, 2])], 1))
    least = min(haversine(here, (x, y)) for x, y in places.tolist())
    (found,) = distances(shapely.Point(here), np.array([line]))
    assert found <= least + 0.1
    longest_step = haversine(start, end) / 1000
    if line.intersects(shapely.Point(here)):
        assert found == 0  # what covers the point in the plane is at distance 0
    else:
        assert found >= least - longest_step - 0.1
    # The box of the arc holds all of its places, whose longitudes may begin anew.
    ((_, south, _, north),) = arc_boxes(np.array([line.bounds]))
    assert (places[:, 1] >= south - 1e-9).all()
    assert (places[:, 1] <= north + 1e-9).all()


@given(ON_GLOBE, ON_GLOBE, st.floats(0, 2.1e7))
def test_boxes_hold_every_place_within_the_distance(here, place, meters):
    if haversine(here, place) <= meters:
        x, y = place
        boxes = boxes_around(*here, meters)
        assert any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in boxes)


@given(st.lists(SHAPES | st.none(), max_size=6), XY, st.floats(0, 600_000))
def test_places_within_a_distance_are_found_whatever_their_box(shapes, here, meters):
    point = shapely.Point(here)
    expected = [s is not None and distances(point, np.array([s]))[0] <= meters for s in shapes]
    assert allowed(f"st_dwithin(place, '{point.wkt}', {meters!r})", shapes) == expected


@pytest.mark.parametrize(
    ("place", "meters"),
    [
        ("POINT (179.95 10)", 10_950.58),  # across the 180th meridian: 0.1 degrees of longitude
        (SQUARE, 0),
        ("GEOMETRYCOLLECTION (POINT (50 50), MULTIPOINT ((-179.95 11), (0 0)))", 111_195),
        ("POLYGON ((-179.95 12, -179.9 13, -179.85 12, -179.95 12))", 222_390),
        ("POINT EMPTY", math.inf),
    ],
)
def test_distances_by_hand(place, meters):
    here = shapely.Point(1, 1) if place == SQUARE else shapely.Point(-179.95, 10)
    assert distances(here, np.array([shapely.from_wkt(place)]))[0] == pytest.approx(meters, abs=1)


# --- fields -----------------------------------------------------------------------------------


def test_what_was_given_comes_back():
    given = ["POINT (1 2)", None, "point(1  2)", shapely.Point(0.1, 1 / 3)]
    assert convert_column(PLACE, given, 4).to_pylist() == [
        "POINT (1 2)",
        None,
        "point(1  2)",
        "POINT (0.1 0.3333333333333333)",
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["POINT (1 2)", None, "POINT (1"], "expected WKT .* got str 'POINT .1'.*row 2"),
        (["POINT (1 2)", 5], "expected GEOMETRY, got int 5 .row 1"),
        ([""], "expected WKT"),
        (["GEOMETRYCOLLECTION (" * 100_000], "parentheses are nested deeper than 32"),
        (["GEOMETRYCOLLECTION (" * 33 + "POINT (1 2)" + ")" * 33], "nested deeper than 32"),
        (["LINEARRING (0 0, 1 1)"], "expected WKT .*Points of LinearRing"),
    ],
)
def test_what_is_no_geometry_is_refused(values, message):
    with pytest.raises(EntityError, match=message):
        convert_column(PLACE, values, len(values))


def test_many_rings_are_not_deep():
    rings = ", ".join(f"({x} 0, {x + 1} 0, {x + 1} 1, {x} 0)" for x in range(1, 100))
    wkt = f"POLYGON ((0 0, 200 0, 200 2, 0 2, 0 0), {rings})"
    assert convert_column(PLACE, [wkt], 1).to_pylist() == [wkt]


def test_without_shapely_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "shapely", None)
    with pytest.raises(PluginNotInstalledError, match=r"pip install 'elanus\[geo\]'"):
        convert_column(PLACE, ["POINT (1 2)"], 1)
    with pytest.raises(PluginNotInstalledError, match=r"pip install 'elanus\[geo\]'"):
        compile_filter("st_isvalid(place) and st_within(place, 'POINT (1 2)')", SCHEMA)


@pytest.mark.parametrize("way", ["memtable", "segment", "merged", "reopened"])
def test_geometries_wherever_they_lie(tmp_path, way):
    shapes = ["POINT (1 1)", None, SQUARE, "POINT (9 9)", "LINESTRING (-1 2, 5 2)", "POINT EMPTY"]
    vector = elanus.Field("v", elanus.FLOAT_VECTOR, dim=1)
    schema = elanus.Schema([*SCHEMA.fields, vector])
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("c", schema)
        for start in (0, 3):
            rows = enumerate(shapes[start : start + 3], start)
            made.insert([{"id": i, "place": s, "v": [1.0]} for i, s in rows])
            if way != "memtable":
                made.flush()
        if way == "merged":
            made.compact()
        if way != "reopened":
            _check(made, shapes)
            return
    with elanus.connect(tmp_path / "db") as db:
        _check(db.collection("c"), shapes)


def _check(collection, shapes):
    stored = collection.query(output=["id", "place"], order_by="id")
    assert [row["place"] for row in stored] == shapes
    inside = f"st_within(place, '{SQUARE}')"
    assert _ids(collection, inside) == [0, 2]
    assert _ids(collection, f"not {inside}") == [3, 4, 5]
    assert _ids(collection, "st_dwithin(place, 'POINT (9 9)', 800000)") == [2, 3]
    assert [h.id for h in collection.search([1.0], "v", filter=inside).hits] == [0, 2]


def _ids(collection, condition):
    return [row["id"] for row in collection.query(condition, output=["id"], order_by="id")]
