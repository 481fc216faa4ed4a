"""In which order is a filter evaluated, and by which means?

A bound condition gives a truth per row: true, false, or unknown where a typed field is null.
``not`` of unknown is unknown, ``and`` and ``or`` follow Kleene's logic, and only rows that are
true are allowed.

Each condition on its own is answered by an index or by columns, whichever is estimated to take
less. Of conditions that must all hold the cheap and selective ones come first; when few rows are
left, the others are asked only about these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from elanus.filter.columns import FilterColumns, SelectedColumns, TraceStep
from elanus.filter.outcomes import ANY, CERTAIN, Outcomes, of_all, of_any
from elanus.index.scalar.base import Found
from elanus.kernels.bitset import Bitset
from elanus.types import BoolArray, Int64Array

INDEX_NS, GATHERED_NS, ROW_NS = 15_000.0, 3.0, 0.12
"""Costs of an index: asking, each number that is read, each row of the mask. Like those of columns
measured over a million rows on one core of a Zen 4 whose memory nobody else used;
``benchmarks/micro/filter_plans.py`` measures whether what is chosen is quicker."""
VERIFIED_NS, VERIFIED_FACTOR = 250.0, 2.5
"""Cost of each candidate of an index that is looked at, and how many times the cost of a row by
columns comes to it."""
NUMBERED_NS, TAKEN_NS = 150_000.0, 25.0
"""Cost of asking about few rows instead of all: numbering them, and for each of them finding its
number and taking one value of a column."""
TAKEN_TEXT_NS, TAKEN_LIST_NS = 375.0, 275.0
"""What it takes besides to take the bytes of a text, or the elements of an array."""
FEW_ROWS = 16
"""An index that finds fewer rows than one in so many gives their numbers instead of a mask."""
MOST_WEIGHED = 6
"""The most selective conditions, whose costs are weighed against each other; others follow them."""
MIN_TAKEN_ROWS = 4_096
"""Rows from which it is worth the trouble."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Truth of a condition per row; bool arrays of shape ``(n,)``.

    Attributes:
        true: Where it holds.
        unknown: Where that cannot be said; never where ``true``. None: nowhere.
    """

    true: BoolArray
    unknown: BoolArray | None = None

    def maybe(self) -> BoolArray:
        """Where it holds or may hold."""
        return self.true if self.unknown is None else self.true | self.unknown

    def take(self, rows: Int64Array) -> Truth:
        """Return the given rows."""
        return Truth(self.true[rows], None if self.unknown is None else self.unknown[rows])

    def spread(self, rows: Int64Array, num_rows: int) -> Truth:
        """Put row ``i`` into row ``rows[i]`` of ``num_rows``; the others are false."""
        true = np.zeros(num_rows, dtype=np.bool_)
        true[rows] = self.true
        if self.unknown is None:
            return Truth(true)
        unknown = np.zeros(num_rows, dtype=np.bool_)
        unknown[rows] = self.unknown
        return Truth(true, unknown)


def truth_of(holds: BoolArray, known: BoolArray | None) -> Truth:
    """Return a truth that is unknown where nothing is known.

    Args:
        holds: bool of shape ``(n,)``.
        known: The same, or one bool for all rows, as a calculation with a constant has it; None:
            everywhere.
    """
    if known is None:
        return Truth(holds)
    known = np.broadcast_to(known, holds.shape)
    return Truth(holds & known, ~known)


@dataclass(frozen=True, slots=True)
class Step:
    """How a condition will be answered.

    Attributes:
        share: Estimated share of rows that it lets through.
        row_ns: What columns take for a row.
        found: What an index has found, if that is quicker.
        index: Type of that index.
        extra_ns: What taking the value of a row alone takes besides ``TAKEN_NS``.
    """

    share: float
    row_ns: float
    found: Found | None = None
    index: str = ""
    extra_ns: float = 0.0

    def cost_ns(self, num_rows: int) -> float:
        """Return what it takes for all rows."""
        if self.found is None:
            return num_rows * self.row_ns
        return index_ns(self.found, num_rows, self.row_ns)

    def taken_ns(self, left: float) -> float:
        """Return what it takes to ask about some rows of many alone."""
        return NUMBERED_NS + left * (TAKEN_NS + self.extra_ns + self.row_ns)

    def cost_of_ns(self, left: float, num_rows: int) -> float:
        """Return what it takes when only so many rows are still to be asked about."""
        return min(self.cost_ns(num_rows), self.taken_ns(left))


def index_ns(found: Found, num_rows: int, row_ns: float) -> float:
    """Return what it takes to make a set of what an index has found.

    Args:
        found: What it has found.
        num_rows: Rows of the segment.
        row_ns: What columns take for a row.
    """
    ns = INDEX_NS + GATHERED_NS * found.num_gathered + ROW_NS * (found.is_marked * num_rows)
    if found.is_exact:
        return ns
    return ns + (VERIFIED_NS + VERIFIED_FACTOR * row_ns) * found.count


_BY_COLUMNS = Step(1.0, 0.0)
"""For a condition on its own, which nothing has to be compared with."""


class Condition(Protocol):
    """A bound condition."""

    def evaluate(self, columns: FilterColumns) -> Truth:
        """Return its truth in each row."""
        ...

    def allowed(self, columns: FilterColumns) -> Bitset:
        """Return the rows in which it is true."""
        ...

    def outcomes(self, columns: FilterColumns) -> Outcomes:
        """Return what it can come to, without looking at rows."""
        ...

    def plan(self, columns: FilterColumns) -> Step:
        """Return how it would be answered."""
        ...

    def follow(self, step: Step, columns: FilterColumns) -> Truth:
        """Return its truth in each row, found as ``step``, which it planned, says."""
        ...


class Leaf:
    """A condition without conditions in it. What it is asked is answered here."""

    __slots__ = ()

    needs_all_rows = False
    """It reads what is known of all rows of a segment, not of some alone."""
    extra_ns = 0.0
    """What taking the value of a row alone takes besides ``TAKEN_NS``."""

    def scan(self, columns: FilterColumns) -> Truth:
        """Return its truth in each row, by columns."""
        raise NotImplementedError

    def scanned(self, columns: FilterColumns) -> Bitset:
        """Return the rows in which it is true, by columns."""
        return Bitset.from_mask(self.scan(columns).true)

    def known(self, columns: FilterColumns) -> BoolArray | None:
        """Return where it is not unknown; None: everywhere. Asked when ``find`` found something."""
        return None

    def find(self, columns: FilterColumns) -> tuple[Found | None, str]:
        """Return what an index finds and its type; None: columns have to be asked."""
        return None, ""

    def guess(self) -> tuple[float, float]:
        """Return share of rows it lets through and nanoseconds a row, without looking at any."""
        return 0.5, 2.0

    def share(self, columns: FilterColumns) -> float | None:
        """Return about which share of rows it lets through; None: not better than guessed."""
        return None

    def outcomes(self, columns: FilterColumns) -> Outcomes:
        """Return what it can come to, without looking at rows."""
        return ANY

    def evaluate(self, columns: FilterColumns) -> Truth:
        """Return its truth in each row."""
        return self.follow(self.plan(columns), columns)

    def allowed(self, columns: FilterColumns) -> Bitset:
        """Return the rows in which it is true."""
        found, index = self.find(columns)
        if found is None and columns.trace is None and not self.needs_all_rows:
            return self.scanned(columns)
        step = _BY_COLUMNS if found is None else self._weighed(found, index, columns)
        if step.found is None or not step.found.is_exact:
            return Bitset.from_mask(self.follow(step, columns).true)
        bits = step.found.bits()
        if columns.trace is not None:
            self.note(step, columns, bits.count())
        return bits

    def plan(self, columns: FilterColumns) -> Step:
        """Return how it would be answered."""
        found, index = self.find(columns)
        return self._weighed(found, index, columns)

    def _weighed(self, found: Found | None, index: str, columns: FilterColumns) -> Step:
        """Return whether what an index has found is quicker than columns."""
        share, row_ns = self.guess()
        known = self.share(columns)
        by_columns = Step(share if known is None else known, row_ns, extra_ns=self.extra_ns)
        num_rows = columns.num_rows
        if found is None or not num_rows:
            return by_columns
        by_columns = replace(by_columns, share=found.count / num_rows)
        if index_ns(found, num_rows, row_ns) >= row_ns * num_rows:
            return by_columns
        return replace(by_columns, found=found, index=index)

    def follow(self, step: Step, columns: FilterColumns) -> Truth:
        """Return its truth in each row, found as ``step`` says."""
        found = step.found
        if found is None and self.needs_all_rows and isinstance(columns, SelectedColumns):
            truth = self.scan(columns.base).take(columns.chosen)
        elif found is None:
            truth = self.scan(columns)
        elif found.is_exact:
            known = self.known(columns)
            truth = Truth(found.mask(), None if known is None else ~known)
        else:
            truth = self._verified(found, columns)
        if columns.trace is not None:
            self.note(step, columns, int(np.count_nonzero(truth.true)))
        return truth

    def note(self, step: Step, columns: FilterColumns, num_allowed: int) -> None:
        """Write down what it did."""
        if columns.trace is not None:
            method = step.index or "columns"
            columns.trace.append(TraceStep(self, method, columns.num_rows, num_allowed))

    def _verified(self, found: Found, columns: FilterColumns) -> Truth:
        rows = found.rows()
        chosen = columns.select(rows)
        if chosen is None:
            return self.scan(columns)
        true = self.scan(chosen).spread(rows, columns.num_rows).true
        known = self.known(columns)
        return Truth(true, None if known is None else ~known)


@dataclass(frozen=True, slots=True)
class Always(Leaf):
    """The same truth in every row; None is unknown."""

    value: bool | None

    def scan(self, columns: FilterColumns) -> Truth:
        unknown = np.ones(columns.num_rows, dtype=np.bool_) if self.value is None else None
        return Truth(np.full(columns.num_rows, self.value is True, dtype=np.bool_), unknown)

    def guess(self) -> tuple[float, float]:
        return float(self.value is True), 0.1

    def outcomes(self, columns: FilterColumns) -> Outcomes:
        return Outcomes(self.value is True, self.value is False, self.value is None)


class Joined:
    """A condition that is made of others."""

    __slots__ = ()

    def evaluate(self, columns: FilterColumns) -> Truth:
        """Return its truth in each row."""
        raise NotImplementedError

    def allowed(self, columns: FilterColumns) -> Bitset:
        """Return the rows in which it is true."""
        return Bitset.from_mask(self.evaluate(columns).true)

    def follow(self, step: Step, columns: FilterColumns) -> Truth:
        """Return its truth in each row; its conditions plan for themselves."""
        return self.evaluate(columns)


@dataclass(frozen=True, slots=True)
class Negation(Joined):
    """``not term``."""

    term: Condition

    def outcomes(self, columns: FilterColumns) -> Outcomes:
        return self.term.outcomes(columns).inverted()

    def evaluate(self, columns: FilterColumns) -> Truth:
        return self.follow(self.plan(columns), columns)

    def plan(self, columns: FilterColumns) -> Step:
        step = self.term.plan(columns)
        return replace(step, share=1 - step.share)

    def follow(self, step: Step, columns: FilterColumns) -> Truth:
        truth = self.term.follow(step, columns)
        if truth.unknown is None:
            return Truth(~truth.true)
        return Truth(~truth.maybe(), truth.unknown)


@dataclass(frozen=True, slots=True)
class Conjunction(Joined):
    """All terms; a false one decides, else an unknown one."""

    terms: tuple[Condition, ...]

    def outcomes(self, columns: FilterColumns) -> Outcomes:
        return of_all(term.outcomes(columns) for term in self.terms)

    def evaluate(self, columns: FilterColumns) -> Truth:
        kept = self._open_terms(columns)
        if len(kept) > 1:
            truth = self._followed(_in_order(kept, columns), columns)
        elif kept:
            truth = kept[0].evaluate(columns)
        else:
            truth = Truth(np.ones(columns.num_rows, dtype=np.bool_))
        self._note_certain(kept, columns)
        return truth

    def _open_terms(self, columns: FilterColumns) -> list[Condition]:
        """Return the terms without those that hold in every row by the bounds of their fields."""
        return [term for term in self.terms if term.outcomes(columns) != CERTAIN]

    def _note_certain(self, kept: Sequence[Condition], columns: FilterColumns) -> None:
        if columns.trace is None:
            return
        num_rows = columns.num_rows
        for term in self.terms:
            if isinstance(term, Leaf) and not any(term is other for other in kept):
                columns.trace.append(TraceStep(term, "ranges", num_rows, num_rows))

    def _followed(self, ordered: Sequence[tuple[Step, Condition]], columns: FilterColumns) -> Truth:
        (step, term), *rest = ordered
        total = term.follow(step, columns)
        view, rows = columns, None
        for step, term in rest:
            maybe = total.maybe()
            left = int(np.count_nonzero(maybe))
            if not left:
                break
            if view.num_rows >= MIN_TAKEN_ROWS and _is_dearer(step, view.num_rows, left):
                places = np.flatnonzero(maybe)
                chosen = view.select(places)
                if chosen is not None:
                    rows = places if rows is None else rows[places]
                    view, total = chosen, total.take(places)
            # What an index has found are rows of all columns.
            further = term.follow(step, view) if view is columns else term.evaluate(view)
            total = _both_hold(total, further)
        return total if rows is None else total.spread(rows, columns.num_rows)

    def allowed(self, columns: FilterColumns) -> Bitset:
        kept = []
        for term in self.terms:
            possible = term.outcomes(columns)
            if not possible.true:
                return Bitset.empty(columns.num_rows)
            if possible != CERTAIN:
                kept.append(term)
        if len(kept) > 1:
            ordered = _in_order(kept, columns)
            few = self._few(ordered, columns)
            found = Bitset.from_mask(self._followed(ordered, columns).true) if few is None else few
        else:
            found = kept[0].allowed(columns) if kept else Bitset.full(columns.num_rows)
        self._note_certain(kept, columns)
        return found

    def _few(
        self, ordered: Sequence[tuple[Step, Condition]], columns: FilterColumns
    ) -> Bitset | None:
        """Return the rows where all terms hold, if an index finds few for the first; else None."""
        (step, first), *rest = ordered
        found = step.found
        # What a negation has found is what it does not allow.
        is_few = found is not None and found.count * FEW_ROWS <= columns.num_rows
        if found is None or not is_few or not found.is_exact or not isinstance(first, Leaf):
            return None
        rows = found.rows()
        first.note(step, columns, len(rows))
        for _, term in rest:
            view = columns.select(rows)
            if view is None:
                return None
            rows = rows[term.evaluate(view).true]
        return Bitset.from_ascending(rows, columns.num_rows)

    def plan(self, columns: FilterColumns) -> Step:
        steps = [term.plan(columns) for term in self.terms]
        return _joined(min(s.share for s in steps), steps, columns)


@dataclass(frozen=True, slots=True)
class Disjunction(Joined):
    """Any term; a true one decides, else an unknown one."""

    terms: tuple[Condition, ...]

    def outcomes(self, columns: FilterColumns) -> Outcomes:
        return of_any(term.outcomes(columns) for term in self.terms)

    def evaluate(self, columns: FilterColumns) -> Truth:
        total = self.terms[0].evaluate(columns)
        for term in self.terms[1:]:
            further = term.evaluate(columns)
            true = total.true | further.true
            if total.unknown is None or further.unknown is None:
                unknown = further.unknown if total.unknown is None else total.unknown
            else:
                unknown = total.unknown | further.unknown
            total = Truth(true, None if unknown is None else unknown & ~true)
        return total

    def plan(self, columns: FilterColumns) -> Step:
        steps = [term.plan(columns) for term in self.terms]
        return _joined(min(1.0, sum(s.share for s in steps)), steps, columns)


def _in_order(terms: Sequence[Condition], columns: FilterColumns) -> list[tuple[Step, Condition]]:
    """Return terms and how they are answered, the cheap and selective ones first."""
    planned = [(term.plan(columns), term) for term in terms]
    planned.sort(key=lambda p: p[0].share)
    left, others = planned[:MOST_WEIGHED], planned[MOST_WEIGHED:]
    ordered: list[tuple[Step, Condition]] = []
    num_rows, asked = columns.num_rows, float(columns.num_rows)
    while len(left) > 1:
        steps = [step for step, _ in left]
        cheapest = min(range(len(left)), key=lambda i: _cost_first(steps, i, num_rows, asked))
        ordered.append(left.pop(cheapest))
        asked *= ordered[-1][0].share
    return [*ordered, *left, *others]


def _cost_first(steps: Sequence[Step], first: int, num_rows: int, left: float) -> float:
    """Return what all steps take when one of them comes first, and ``left`` rows are asked about.

    Costs are not in proportion to the rows that are left: as long as these are many, all are asked.
    """
    step = steps[first]
    others = sum(
        other.cost_of_ns(left * step.share, num_rows) for i, other in enumerate(steps) if i != first
    )
    return step.cost_of_ns(left, num_rows) + others


def _is_dearer(step: Step, num_rows: int, left: int) -> bool:
    """Whether it takes longer to ask about all rows than about those that are left alone."""
    return step.cost_ns(num_rows) > step.taken_ns(left)


def _joined(share: float, steps: Sequence[Step], columns: FilterColumns) -> Step:
    """Return how conditions are answered that are all asked."""
    row_ns = sum(step.cost_ns(columns.num_rows) for step in steps) / max(columns.num_rows, 1)
    return Step(share, row_ns, extra_ns=sum(step.extra_ns for step in steps))


def _both_hold(left: Truth, right: Truth) -> Truth:
    true = left.true & right.true
    if left.unknown is None and right.unknown is None:
        return Truth(true)
    return Truth(true, left.maybe() & right.maybe() & ~true)
