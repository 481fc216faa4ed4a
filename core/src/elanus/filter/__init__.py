"""Which rows does this expression allow?

``compile_filter`` reads text, dicts and trees and binds them to a schema; ``BoundFilter.evaluate``
gives the rows of a segment. The language is described in ``docs/filter-language.md``.
"""

from elanus.filter.ast import (
    And,
    Arithmetic,
    ArrayLength,
    Between,
    Compare,
    Contains,
    ContainsAll,
    ContainsAny,
    Element,
    ElementMatch,
    Exists,
    FieldRef,
    FuzzyMatch,
    In,
    Interval,
    IsEmpty,
    IsNull,
    JsonPath,
    Like,
    Literal,
    Moment,
    Node,
    Not,
    Or,
    Parameter,
    PhraseMatch,
    RandomSample,
    RegexMatch,
    Spatial,
    TextContains,
    TextMatch,
)
from elanus.filter.columns import ColumnCache, FilterColumns, batch_columns
from elanus.filter.compiler import (
    BoundFilter,
    ElementFilter,
    FilterSource,
    compile_filter,
    element_arrays,
    split_elements,
)
from elanus.filter.language.builder import FieldExpression, element, field, random_sample
from elanus.filter.language.mongo import from_mongo
from elanus.filter.language.parser import parse
from elanus.filter.language.text import to_text
from elanus.filter.operators import ArithmeticOp, CompareOp, Quantifier, Relation

__all__ = [
    # reading and evaluating
    "BoundFilter",
    "ColumnCache",
    "ElementFilter",
    "FilterColumns",
    "FilterSource",
    "batch_columns",
    "compile_filter",
    "from_mongo",
    "parse",
    "element_arrays",
    "split_elements",
    "to_text",
    # building in Python
    "FieldExpression",
    "element",
    "field",
    "random_sample",
    # nodes
    "And",
    "Arithmetic",
    "ArithmeticOp",
    "ArrayLength",
    "Between",
    "Compare",
    "CompareOp",
    "Contains",
    "ContainsAll",
    "ContainsAny",
    "Element",
    "ElementMatch",
    "Exists",
    "FieldRef",
    "FuzzyMatch",
    "In",
    "Interval",
    "IsEmpty",
    "IsNull",
    "JsonPath",
    "Like",
    "Literal",
    "Moment",
    "Node",
    "Not",
    "Or",
    "Parameter",
    "PhraseMatch",
    "Quantifier",
    "RandomSample",
    "RegexMatch",
    "Relation",
    "Spatial",
    "TextContains",
    "TextMatch",
]
