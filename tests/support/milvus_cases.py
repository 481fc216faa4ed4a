"""Rows and some hundreds of filters that Milvus and elanus both have to answer."""

from __future__ import annotations

import itertools
from typing import Any

import elanus

JSONS: list[Any] = [
    {"n": 1, "t": "a", "l": [1, 2], "o": {"k": 1}},
    {"n": 1.0, "t": "b", "l": ["a"], "o": {"k": "1"}},
    {"n": "1", "t": 1, "l": [], "o": {}},
    {"n": True, "t": None, "l": [True, None]},
    {"n": None, "l": [[1]], "o": None},
    {"n": 2**53 + 1, "t": "A"},
    {"n": -1.5, "t": ""},
    {},
    None,
    {"n": False, "t": "ab%c_", "l": [1.0, "1"]},
]
TEXTS = ["", "a", "A", "ab", "b", "a%b", "a_b", "ä", "日本", "a'b", 'a"b', "a\\b", "x\ny", "zebra"]


def rows() -> list[dict[str, Any]]:
    """Return 40 rows; the edges of every type among them."""
    made = []
    for i in range(40):
        row: dict[str, Any] = {
            "id": i,
            "i8": [-128, 127, 0, 1, -1][i % 5],
            "i16": [-(2**15), 2**15 - 1, 0, 5][i % 4],
            "i32": [-(2**31), 2**31 - 1, 7][i % 3],
            "i64": [-(2**63) + 1, 2**63 - 1, 2**53 + 1, 0, i, -i][i % 6],
            "f": [0.1, -0.5, 1.0, 16777216.0, 3.5][i % 5],
            "d": [0.1, -0.5, 1.0, 1e300, -1e-300, 2.0][i % 6],
            "s": TEXTS[i % len(TEXTS)],
            "b": i % 2 == 0,
            "j": JSONS[i % len(JSONS)],
            "ni": None if i % 4 == 0 else i % 7,
            "ns": None if i % 3 == 0 else TEXTS[i % 5],
            "ai": [1, 2, i][: i % 4],
            "as_": ["a", "b", TEXTS[i % 6]][: (i + 1) % 4],
            "v": [float(i), 1.0],
        }
        if i % 2:
            row["dyn"] = [i, str(i), None, True][(i // 2) % 4]
        made.append(row)
    return made


def schema() -> elanus.Schema:
    """Return the schema of the rows."""
    field = elanus.Field
    return elanus.Schema(
        [
            field("id", elanus.INT64, primary=True),
            field("i8", elanus.INT8),
            field("i16", elanus.INT16),
            field("i32", elanus.INT32),
            field("i64", elanus.INT64),
            field("f", elanus.FLOAT),
            field("d", elanus.DOUBLE),
            field("s", elanus.VARCHAR),
            field("b", elanus.BOOL),
            field("j", elanus.JSON, nullable=True),
            field("ni", elanus.INT64, nullable=True),
            field("ns", elanus.VARCHAR, nullable=True),
            field("ai", elanus.ARRAY, element_type=elanus.INT64),
            field("as_", elanus.ARRAY, element_type=elanus.VARCHAR),
            field("v", elanus.FLOAT_VECTOR, dim=2),
        ],
        dynamic=True,
    )


OPS = ("==", "!=", "<", "<=", ">", ">=")


def expressions() -> list[str]:
    """Return the filters, each once, in groups by subject."""
    made = [
        *_numbers(),
        *_texts(),
        *_json(),
        *_arrays(),
        *_nulls(),
        *_arithmetic(),
        *_logic(),
        *_spellings(),
    ]
    return list(dict.fromkeys(made))


def _numbers() -> list[str]:
    constants = {
        "i8": ("0", "-1", "127", "128", "-129", "0.5"),
        "i16": ("5", "5.0", "-32768"),
        "i32": ("7", "2147483647", "2147483648"),
        "i64": ("0", "9007199254740993", "9223372036854775807", "9007199254740992.0", "3.5"),
        "f": ("0.1", "1", "16777217", "-0.5"),
        "d": ("0.1", "1", "1e300", "0", "-1e-300"),
    }
    made = [f"{n} {op} {c}" for n, cs in constants.items() for c in cs for op in OPS]
    made += [f"{c} {op} {n}" for n, cs in constants.items() for c in cs[:2] for op in OPS[2:4]]
    made += [f"{cs[0]} <= {n} < {cs[1]}" for n, cs in constants.items()]
    made += [f"{n} in [{', '.join(cs[:3])}]" for n, cs in constants.items()]
    made += [f"{n} not in [{', '.join(cs[:2])}]" for n, cs in constants.items()]
    made += ["i8 < i16", "i16 == i64", "f < d", "i64 > d", "i8 == f", "i64 in []", "10 >= i64 > -5"]
    return made


def _texts() -> list[str]:
    made = [f"s {op} {c}" for c in ('"a"', '""', '"ä"', '"b"', '"日"') for op in OPS]
    made += [f"s {op} ns" for op in OPS]
    made += [
        's in ["a", "b", ""]',
        's not in ["a"]',
        "s == 'a\\'b'",
        's == "a\\"b"',
        's == "a\\\\b"',
    ]
    made += ['s == "x\\ny"', 's == "\\x61"', 's == "\\u00e4"', 's == "\\141"', 's == "a\'b"']
    likes = (
        "a%",
        "%b",
        "%",
        "_",
        "a_b",
        "a\\\\_b",
        "a\\\\%b",
        "%a%b%",
        "",
        "A%",
        "__",
        "日_",
        "%\\\\\\\\%",
    )
    made += [f's like "{pattern}"' for pattern in likes]
    made += [f'not (s like "{pattern}")' for pattern in likes[:3]]
    return made


def _json() -> list[str]:
    made = [
        f'j["n"] {op} {c}'
        for c in ("1", "1.0", "true", "false", '"1"', "0", "9007199254740993")
        for op in ("==", "!=")
    ]
    made += [f'j["n"] {op} {c}' for c in ("0", "1", "1.5", '"0"') for op in OPS[2:]]
    made += [f'j["t"] {op} "a"' for op in OPS]
    made += ['j["n"] in [1, 2]', 'j["n"] not in [1, 2]', 'j["n"] in ["1", 1]', 'j["t"] in ["a"]']
    made += ['j["t"] like "a%"', 'j["t"] like "%c\\\\_"', 'not (j["t"] like "a%")']
    made += [
        'exists j["n"]',
        'exists j["o"]',
        'not exists j["o"]',
        'exists j["o"]["k"]',
        'exists j["x"]',
    ]
    made += ['j["o"]["k"] == 1', 'j["o"]["k"] == "1"', 'j["l"][0] == 1', 'j["l"][0] == "a"']
    made += [
        'j["l"] == [1, 2]',
        'j["l"] != []',
        'j["l"] == []',
        '1 < j["n"] < 3',
        '0 <= j["n"] <= 1',
    ]
    made += [f'not (j["n"] {op} 1)' for op in ("==", "!=", "<", ">")]
    made += ['json_contains(j["l"], 1)', 'json_contains(j["l"], "a")', 'json_contains(j["l"], [1])']
    made += ['json_contains_any(j["l"], [1, "a"])', 'json_contains_all(j["l"], [1, 2])']
    made += [
        'json_contains(j["l"], true)',
        'json_contains(j["l"], 1.0)',
        'json_contains_all(j["l"], [])',
    ]
    made += ['array_length(j["l"]) == 2', 'array_length(j["l"]) == 0', 'array_length(j["l"]) != 2']
    made += ['j["n"] + 1 == 2', 'j["n"] * 2 > 1', 'j["n"] % 2 == 1', 'j["n"] / 2 == 0']
    made += [
        "dyn == 1",
        "dyn > 4",
        'dyn == "3"',
        "exists dyn",
        "not exists dyn",
        '$meta["dyn"] == 1',
    ]
    made += ["dyn is null", "dyn is not null", "dyn == true", "dyn in [1, 9]", 'dyn != "3"']
    made += ["j is null", "j is not null", 'j["n"] is null', 'j["n"] is not null', 'j["x"] is null']
    return made


def _arrays() -> list[str]:
    made = [f"ai[{i}] {op} {c}" for i, c in ((0, 1), (1, 2), (2, 3)) for op in OPS]
    made += ['as_[0] == "a"', 'as_[1] != "b"', 'as_[0] like "a%"', "ai[5] == 1", "ai[0] in [1, 2]"]
    made += [f"array_contains(ai, {c})" for c in ("1", "2", "3", "99", "1.0")]
    made += [
        'array_contains(as_, "a")',
        'array_contains(as_, "zz")',
        'not array_contains(as_, "a")',
    ]
    made += ["array_contains_any(ai, [2, 3])", "array_contains_all(ai, [1, 2])"]
    made += ["array_contains_any(ai, [])", "array_contains_all(ai, [])"]
    made += [f"array_length(ai) {op} 2" for op in OPS]
    made += ["ai == [1, 2]", "ai != [1, 2]", "ai == []", 'as_ == ["a"]', "json_contains(ai, 1)"]
    return made


def _nulls() -> list[str]:
    made = [f"ni {op} 3" for op in OPS] + [f"not (ni {op} 3)" for op in OPS]
    made += ["ni is null", "ni is not null", "not (ni is null)", "ni in [1, 2]", "ni not in [1, 2]"]
    made += [
        "ni == 3 or ni is null",
        "ni == 3 and ns is null",
        "ni != 3 or b",
        "not (ni == 3 or b)",
    ]
    made += ["not (ni == 3 and b)", "ni + 1 == 4", "ni == i64", "ni < i8", "not (ni < i8)"]
    made += ['ns == "a"', 'ns != "a"', 'not (ns == "a")', 'ns like "a%"', 'not (ns like "a%")']
    made += ["ns is null", "ns is not null", 'ns in ["a"]', 'ns not in ["a"]', 'ns > "a"']
    made += ["id is null", "ni is null and ns is null", "ni is null or ns is null"]
    return made


CALCULATIONS = [
    ("i8", "+", 1),
    ("i8", "-", 1),
    ("i16", "*", 2),
    ("i64", "+", 1),
    ("i64", "*", 2),
    ("i64", "/", 2),
    ("i64", "%", 3),
    ("i8", "/", -2),
    ("i8", "%", -3),
    ("d", "+", 1),
    ("d", "/", 2),
    ("f", "*", 2),
    ("i8", "/", 2.0),
]


def _arithmetic() -> list[str]:
    made = [
        f"{n} {op} {c} {compare} {value}"
        for (n, op, c), (compare, value) in itertools.product(
            CALCULATIONS,
            [("==", 1), (">", 0), ("<", 0)],
        )
    ]
    made += [
        "i64 % 2 == 0",
        "i64 % 2 == 1",
        "i64 % 2 == -1",
        "i8 % 0 == 0",
        "i64 / 0 == 0",
        "d / 0 > 0",
    ]
    made += [
        "1 + 2 * 3 == id",
        "id == (1 + 2) * 3",
        "id == 2 ** 3",
        "id == 2 ** 3 ** 1",
        "id == -(-3)",
    ]
    made += [
        "id == 7 / 2",
        "id == 7 % 4",
        "id == 7 / 2.0",
        "id ** 2 == 16",
        "id + i8 == 5",
        "-id == -3",
    ]
    made += [
        "id & 1 == 1",
        "(id & 1) == 1",
        "id | 1 == 3",
        "(id | 1) == 3",
        "(id ^ 1) == 3",
        "id ^ 1 == 3",
    ]
    made += ["(id & 3) + 1 == 2", "id + 1 & 3 == 0", "id & 6 | 1 == 7"]
    return made


def _logic() -> list[str]:
    parts = ["i8 > 0", 's == "a"', "b", "ni > 2", 'j["n"] == 1']
    made = [f"{a} and {b}" for a, b in itertools.combinations(parts, 2)]
    made += [f"{a} or {b}" for a, b in itertools.combinations(parts, 2)]
    made += [f"{a} or {b} and {c}" for a, b, c in itertools.permutations(parts[:4], 3)]
    made += [f"not ({a})" for a in parts] + [
        f"not ({a} and {b})" for a, b in itertools.combinations(parts, 2)
    ]
    made += ["not b", "!b", "b == true", "b == false", "b != true", "b && id > 3", "b || id > 3"]
    made += [
        "not b == true",
        "not id == 3",
        "not id in [1, 2]",
        "true",
        "false",
        "id > 3 and true",
        "b in [true]",
    ]
    return made


def _spellings() -> list[str]:
    return [
        "id == 0x10",
        "id == 017",
        "id == 0b101",
        "id == 1e1",
        "id == .5e1",
        "ID == 3",
        "id == 3 AND b == FALSE",
        "id IN [1, 2] OR id NOT IN [3]",
        's LIKE "a%"',
        "ni IS NULL",
        'EXISTS j["n"]',
        'JSON_CONTAINS(j["l"], 1)',
        "Array_Length(ai) == 1",
        "id==3&&b==false",
        "id = 3",
        "id == 3;",
        "(id == 3",
        "id == ",
        "unknown_function(id)",
        "v == 3",
        "s == 3",
        'id == "3"',
        "b > true",
        "id < 3 < 5 < 7",
        "1 < 2",
        "id",
        "s",
        '"a" == "a"',
        "random_sample(1)",
        "random_sample(0.9999999)",
        "id in (1, 2)",
        "id == 3 and random_sample(0.9999999)",
        "s == r'a\\b'",
        "s == u8'ä'",
        "text_match(s, 'a')",
        's =~ "^a"',
        's !~ "^a"',
    ]
