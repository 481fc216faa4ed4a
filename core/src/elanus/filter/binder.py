"""Do the types in a filter fit the schema, and how is each part evaluated?

Binding turns a resolved tree into conditions over typed operands. A comparison that could never
hold because of the declared types is an error here; inside JSON, where types are known only row
by row, it holds nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable

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
    PhraseMatch,
    RandomSample,
    RegexMatch,
    Spatial,
    TextContains,
    TextMatch,
)
from elanus.filter.comparisons import Comparisons, folded, sort_constants
from elanus.filter.constants import Constant, stored_constant
from elanus.filter.contents import (
    ElementTest,
    EmptyTest,
    ExistsTest,
    HoldsAny,
    IsContainer,
    NullTest,
)
from elanus.filter.evaluator import (
    CompareConstant,
    TextTest,
    range_of,
)
from elanus.filter.json.json_operands import JsonValue
from elanus.filter.language.text import constant_to_text
from elanus.filter.logic import Always, Condition, Conjunction, Disjunction, Negation
from elanus.filter.matching.hints import (
    NO_HINT,
    TextHint,
    like_hint,
    part_hint,
    regex_hint,
)
from elanus.filter.matching.patterns import PartsMatcher, like_matcher, text_matcher
from elanus.filter.matching.regex import RegexMatcher
from elanus.filter.matching.regex_parser import RegexError
from elanus.filter.names import Scope
from elanus.filter.operators import ArithmeticOp, CompareOp
from elanus.filter.sampling import SampleTest
from elanus.filter.spatial.geometry import (
    GeometryField,
    SpatialTest,
    distance_test,
    relation_test,
    validity_test,
)
from elanus.filter.values.doubles import is_double
from elanus.filter.values.elements import ArrayElement, JsonElement, element_of, element_operand
from elanus.filter.values.moments import shifted
from elanus.filter.values.operands import (
    Computed,
    ConstantOperand,
    LengthOf,
    Operand,
    ValueType,
    any_part,
)
from elanus.filter.values.places import PathOperand, place_of
from elanus.filter.values.struct_operands import ListField
from elanus.filter.values.typed_operands import ArrayField, TextField
from elanus.filter.words import text_search
from elanus.filter.words.edit_distance import MAX_EDITS
from elanus.filter.words.text_search import FuzzyQuestion, PhraseQuestion, TermsQuestion
from elanus.schema.times import parse_interval

_TEXT_SEARCHES: dict[type[Node], str] = {
    TextMatch: "text_match",
    FuzzyMatch: "text_match_fuzzy",
    PhraseMatch: "phrase_match",
}
_Element = ArrayElement | JsonElement | ListField


class Binder:
    """Binds one resolved tree.

    Args:
        scope: The schema, and the text for error messages.
        element: What ``$`` means; None outside of conditions on elements.
    """

    def __init__(self, scope: Scope, element: _Element | None = None) -> None:
        self._scope = scope
        self._element = element
        self._comparisons = Comparisons(scope)
        self._places: dict[tuple[str, tuple[str | int, ...]], PathOperand] = {}
        self.nodes: dict[int, tuple[Node, ...]] = {}
        """What the conditions say, by their identity."""

    @property
    def fields(self) -> frozenset[str]:
        """Names of the fields that were bound."""
        return frozenset(name for name, _ in self._places)

    def condition(self, node: Node) -> Condition:
        """Return the condition of a node.

        Raises:
            FilterError: The node is not a condition, or types in it do not fit.
        """
        made = self._condition(node)
        self.nodes[id(made)] = (node,)
        return made

    def _condition(self, node: Node) -> Condition:
        match node:
            case And(terms):
                return self._joined(self.condition(t) for t in terms)
            case Or(terms):
                return Disjunction(tuple(self.condition(t) for t in terms))
            case Not(term):
                return Negation(self.condition(term))
            case Compare(op, left, right):
                operands = self._operand(left), self._operand(right)
                return self._comparisons.compare(op, *operands, node)
            case Between():
                return self._between(node)
            case In():
                return self._in(node)
            case Like(operand, pattern, ignore_case):
                text = self._text_constant(pattern, "like")
                matches = like_matcher(text, ignore_case=ignore_case)
                hint = NO_HINT if ignore_case else like_hint(text)
                return TextTest(self._text_operand(operand, "like"), matches, hint)
            case RegexMatch(operand, pattern):
                text = self._text_constant(pattern, "=~")
                regex = self._regex(text, pattern)
                return TextTest(self._text_operand(operand, "=~"), regex, regex_hint(text))
            case TextContains(operand, part, ignore_case):
                text = self._text_constant(part, "text_contains")
                matches = text_matcher(text, ignore_case=ignore_case)
                hint = NO_HINT if ignore_case else part_hint(text)
                return TextTest(self._text_operand(operand, "text_contains"), matches, hint)
            case TextMatch() | FuzzyMatch() | PhraseMatch():
                return self._text_search(node)
            case Spatial():
                return self._spatial(node)
            case RandomSample():
                return self._sample(node)
            case ElementMatch():
                return self._element_match(node)
            case IsNull(operand):
                return NullTest(self._path(operand, "is null"))
            case Exists(operand):
                return ExistsTest(self._path(operand, "exists"))
            case IsEmpty(operand):
                return EmptyTest(self._path(operand, "is_empty"))
            case Contains() | ContainsAny() | ContainsAll():
                return self._contains(node)
        return self._truth_value(node)

    def _truth_value(self, node: Node) -> Condition:
        """Read a value as a condition: a bool field, a JSON path or a constant."""
        operand = self._operand(node)
        if isinstance(operand, ConstantOperand) and isinstance(operand.value, bool):
            return Always(operand.value)
        is_constant = isinstance(operand, ConstantOperand)
        if not is_constant and operand.type in (ValueType.BOOL, ValueType.JSON):
            return CompareConstant(operand, CompareOp.EQ, 1)
        raise self._scope.error(
            f"expected a condition, got {operand.describe()}", node, "compare it with something"
        )

    # --- operands ---

    def _operand(self, node: Node) -> Operand:
        match node:
            case Literal(None):
                raise self._scope.error("null equals nothing", node, "use 'x is null'")
            case Literal(value):
                return ConstantOperand(stored_constant(value))
            case Moment(iso):
                return self._comparisons.moment(iso, node)
            case Interval():
                raise self._scope.error(
                    "an INTERVAL is no value", node, "add it to a moment, as in at + INTERVAL 'P1D'"
                )
            case Element():
                return element_operand(self._element, node, self._scope)
            case FieldRef() | JsonPath():
                return self._place(node)
            case Arithmetic():
                return self._arithmetic(node)
            case ArrayLength(operand):
                container = self._place(operand)
                if not isinstance(container, ArrayField | JsonValue | ListField):
                    raise self._scope.error(
                        f"array_length takes an array, got {container.describe()}", operand
                    )
                return LengthOf(container)
        raise self._scope.error(
            "a condition is not a value", node, "join conditions with 'and', 'or', 'not'"
        )

    def _place(self, node: Node) -> PathOperand:
        if not isinstance(node, FieldRef | JsonPath):
            raise self._scope.error("expected a field or a path", node)
        name = node.name if isinstance(node, FieldRef) else node.field
        keys = node.keys if isinstance(node, JsonPath) else ()
        known = self._places.get((name, keys))
        if known is not None:
            return known
        if self._element is not None:
            raise self._scope.error(
                f"a condition on elements asks about '$' only, got {name!r}",
                node,
                "join conditions on fields outside of it",
            )
        made = self._places[name, keys] = place_of(node, name, keys, self._scope)
        return made

    def _path(self, node: Node, what: str) -> PathOperand:
        if not isinstance(node, FieldRef | JsonPath):
            raise self._scope.error(f"'{what}' takes a field or a path", node)
        return self._place(node)

    def _arithmetic(self, node: Arithmetic) -> Operand:
        if isinstance(node.left, Interval) or isinstance(node.right, Interval):
            return self._shifted(node)
        left, right = self._operand(node.left), self._operand(node.right)
        for operand, place in ((left, node.left), (right, node.right)):
            is_bitwise = node.op.is_bitwise
            is_number = operand.type in (ValueType.NUMBER, ValueType.JSON)
            if not is_number or (is_bitwise and is_double(operand)):
                raise self._scope.error(
                    f"'{node.op}' takes {'integers' if is_bitwise else 'numbers'}, "
                    f"got {operand.describe()}",
                    place,
                    "join conditions with 'and', 'or', 'not'" if is_bitwise else None,
                )
        if isinstance(left, ConstantOperand) and isinstance(right, ConstantOperand):
            return folded(node, left, right)
        return Computed(node.op, left, right)

    def _shifted(self, node: Arithmetic) -> Operand:
        place, length = node.left, node.right
        if isinstance(place, Interval) and node.op is ArithmeticOp.ADD:
            place, length = length, place
        moment = self._operand(place)
        if isinstance(moment, ConstantOperand) and isinstance(moment.value, str):
            moment = self._comparisons.moment(moment.value, place)
        is_sum = node.op in (ArithmeticOp.ADD, ArithmeticOp.SUB)
        if not isinstance(length, Interval) or moment.type is not ValueType.TIME or not is_sum:
            raise self._scope.error(
                f"an INTERVAL is added to a moment or taken from it, got {moment.describe()}",
                node,
                "as in at - INTERVAL 'P1D'",
            )
        try:
            interval = parse_interval(length.iso)
        except ValueError as error:
            shown = constant_to_text(length.iso)
            raise self._scope.error(f"{shown} is no interval: {error}", length) from None
        return shifted(moment, interval, 1 if node.op is ArithmeticOp.ADD else -1)

    def _text_operand(self, node: Node, what: str) -> Operand:
        operand = self._operand(node)
        is_constant = isinstance(operand, ConstantOperand)
        if is_constant or operand.type not in (ValueType.TEXT, ValueType.JSON):
            raise self._scope.error(
                f"'{what}' takes a text field or a JSON path, got {operand.describe()}", node
            )
        return operand

    def _text_constant(self, node: Node, what: str) -> str:
        if isinstance(node, Literal) and isinstance(node.value, str):
            return node.value
        raise self._scope.error(f"'{what}' takes a text in quotes or {{name}}", node)

    def _regex(self, pattern: str, node: Node) -> RegexMatcher:
        try:
            return RegexMatcher(pattern)
        except RegexError as error:
            at = pattern[error.offset : error.offset + 20]
            place = f" at {at!r}, character {error.offset + 1}" if at else ""
            raise self._scope.error(
                f"'=~' takes a regular expression{place}: {error}",
                node,
                "the syntax is that of RE2, without back-references and looking around",
            ) from None

    def _text_search(self, node: TextMatch | FuzzyMatch | PhraseMatch) -> Condition:
        what = _TEXT_SEARCHES[type(node)]
        operand = self._operand(node.operand)
        analyzer = None
        if isinstance(operand, TextField):
            analyzer = self._scope.schema.field(operand.name).analyzer
        if not isinstance(operand, TextField) or analyzer is None:
            raise self._scope.error(
                f"'{what}' takes a VARCHAR field with an analyzer, got {operand.describe()}",
                node.operand,
                "declare it with analyzer='standard', or ask for a part with text_contains",
            )
        query = self._text_constant(node.text, what)
        if isinstance(node, TextMatch):
            least = self._integer(node.minimum, "minimum_should_match", 1, text_search.MAX_MINIMUM)
            return text_search.condition(operand, analyzer, TermsQuestion(query, least))
        if isinstance(node, FuzzyMatch):
            most = self._integer(node.max_edit_distance, "max_edit_distance", 0, MAX_EDITS)
            return text_search.condition(operand, analyzer, FuzzyQuestion(query, most))
        slop = self._integer(node.slop, "slop", 0, text_search.MAX_SLOP)
        return text_search.condition(operand, analyzer, PhraseQuestion(query, slop))

    def _spatial(self, node: Spatial) -> Condition:
        field = self._path(node.operand, node.relation)
        if not isinstance(field, GeometryField):
            raise self._scope.error(
                f"'{node.relation}' takes a GEOMETRY field, got {field.describe()}", node.operand
            )
        if node.shape is None:
            return SpatialTest(field, validity_test())
        wkt = self._text_constant(node.shape, node.relation)
        meters = None if node.distance is None else self._meters(node.distance)
        try:
            if meters is None:
                return SpatialTest(field, relation_test(node.relation, wkt))
            return SpatialTest(field, distance_test(wkt, meters))
        except ValueError as error:
            raise self._scope.error(
                f"'{node.relation}' got {constant_to_text(wkt)[:60]}: {error}", node.shape
            ) from None

    def _meters(self, node: Node) -> float:
        operand = self._operand(node)
        value = operand.value if isinstance(operand, ConstantOperand) else None
        if operand.type is not ValueType.NUMBER or not isinstance(value, int | float):
            raise self._scope.error("the distance of 'st_dwithin' is a number of meters", node)
        return float(value)

    def _sample(self, node: RandomSample) -> Condition:
        if self._element is not None:
            raise self._scope.error("'random_sample' chooses rows, not elements", node)
        fraction = node.fraction.value if isinstance(node.fraction, Literal) else None
        is_number = isinstance(fraction, int | float) and not isinstance(fraction, bool)
        if not is_number or not 0 < fraction <= 1:  # type: ignore[operator]
            raise self._scope.error(
                "'random_sample' takes a number above 0 and up to 1, as in random_sample(0.01)",
                node.fraction,
            )
        seed = self._integer(node.seed or Literal(0), "seed", 0, 2**63 - 1)
        return SampleTest(self._scope.schema.primary.name, float(fraction), seed)  # type: ignore[arg-type]

    def _element_match(self, node: ElementMatch) -> Condition:
        name = f"match_{node.quantifier}"
        container = self._path(node.operand, name)
        if not isinstance(container, ArrayField | JsonValue | ListField) or (
            isinstance(container, ListField) and not container.struct
        ):
            raise self._scope.error(
                f"'{name}' takes an array, got {container.describe()}", node.operand
            )
        condition = Binder(self._scope, element_of(container)).condition(node.condition)
        count = self._integer(node.count, "threshold", 0, 2**63 - 1)
        return ElementTest(container, condition, node.quantifier, count)

    def _integer(self, node: Node, what: str, low: int, high: int) -> int:
        value = node.value if isinstance(node, Literal) else None
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        got = constant_to_text(value) if isinstance(node, Literal) else "no constant"
        raise self._scope.error(f"'{what}' is an integer from {low} to {high}, got {got}", node)

    def _constant(self, node: Node, what: str) -> Constant:
        if isinstance(node, Literal):
            return stored_constant(node.value)
        operand = self._operand(node) if isinstance(node, Arithmetic) else None
        if not isinstance(operand, ConstantOperand) or operand.value is None:
            raise self._scope.error(f"'{what}' takes a constant", node)
        return operand.value

    def _list_constant(self, node: Node, what: str) -> tuple[Constant, ...]:
        if isinstance(node, Literal) and isinstance(node.value, tuple):
            return tuple(map(stored_constant, node.value))
        raise self._scope.error(f"'{what}' takes a list such as [1, 2], or {{name}}", node)

    # --- comparisons ---

    def _between(self, node: Between) -> Condition:
        operand = self._operand(node.operand)
        low_op = CompareOp.GE if node.includes_low else CompareOp.GT
        high_op = CompareOp.LE if node.includes_high else CompareOp.LT
        return self._joined(
            (
                self._comparisons.compare(low_op, operand, self._operand(node.low), node),
                self._comparisons.compare(high_op, operand, self._operand(node.high), node),
            )
        )

    def _joined(self, terms: Iterable[Condition]) -> Condition:
        """Return the conjunction; a lower and an upper bound of one operand become one."""
        left: list[Condition] = []
        bounds: dict[Operand, int] = {}
        for term in terms:
            if isinstance(term, CompareConstant):
                place = bounds.setdefault(term.operand, len(left))
                both = range_of(left[place], term) if place < len(left) else None
                if both is not None:
                    del bounds[term.operand]
                    said = *self.nodes.get(id(left[place]), ()), *self.nodes.get(id(term), ())
                    left[place] = both
                    self.nodes[id(both)] = said
                    continue
            left.append(term)
        return left[0] if len(left) == 1 else Conjunction(tuple(left))

    def _in(self, node: In) -> Condition:
        values = self._list_constant(node.values, "in")
        operand = self._operand(node.operand)
        if isinstance(operand, ConstantOperand | ArrayField):
            raise self._scope.error(
                f"'in' takes a field or a path on its left, got {operand.describe()}",
                node.operand,
                "to look into an array, use contains(array, value)",
            )
        return self._comparisons.membership(operand, values, node.values)

    # --- arrays ---

    def _contains(self, node: Contains | ContainsAny | ContainsAll) -> Condition:
        what = {Contains: "contains", ContainsAny: "contains_any", ContainsAll: "contains_all"}
        name = ("json_" if node.arrays_only else "") + what[type(node)]
        if isinstance(node, Contains):
            values: tuple[Constant, ...] = (self._constant(node.value, name),)
        else:
            values = self._list_constant(node.values, name)
        place = self._path(node.operand, name)
        if isinstance(place, TextField) and not node.arrays_only:
            return self._parts_of_text(node, place, values)
        if not isinstance(place, ArrayField | JsonValue):
            raise self._scope.error(
                f"'{name}' takes an array, got {place.describe()}", node.operand
            )
        if isinstance(place, ArrayField):
            self._comparisons.check_elements(place, values, node)
        or_text = not node.arrays_only
        if not isinstance(node, ContainsAll):
            return _holds_any(place, values, or_text)
        held = [_holds_any(place, (value,), or_text) for value in dict.fromkeys(values)]
        conditions = IsContainer(place, or_text), *held
        self.nodes |= {id(condition): (node,) for condition in conditions}
        return Conjunction(conditions)

    def _parts_of_text(
        self,
        node: Contains | ContainsAny | ContainsAll,
        place: TextField,
        values: tuple[Constant, ...],
    ) -> Condition:
        self._comparisons.check_elements(place, values, node)
        parts = [value for value in values if isinstance(value, str)]
        if isinstance(node, ContainsAll):
            every = TextHint(parts=tuple(parts))
            return TextTest(place, PartsMatcher.of(parts, every=True), every)
        hint = part_hint(parts[0]) if len(parts) == 1 else NO_HINT
        return TextTest(place, any_part(parts), hint)


def _holds_any(
    place: ArrayField | JsonValue, values: tuple[Constant, ...], or_text: bool
) -> HoldsAny:
    constants = sort_constants(values)
    return HoldsAny(place, constants, constants.texts if or_text else ())
