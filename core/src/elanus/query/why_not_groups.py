"""Where did an entity fall out of a search for groups?

Its group may be none of those that are wanted, or be wanted and full of better hits. Both places,
that of the group and that of the entity in it, come from the same search without the bounds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from elanus.filter import BoundFilter
from elanus.query.candidates import Run
from elanus.query.elements import ElementRun
from elanus.query.grouped_pages import grouped_page
from elanus.query.grouping import GroupReader, key_of
from elanus.query.pages import Page
from elanus.query.requests import MAX_LIMIT, SearchRequest
from elanus.query.verdicts import Cause, GroupVerdict


class GroupProbe:
    """One search for groups, and a row to look for.

    Args:
        make_run: Returns a new run over the sources that are searched.
        request: What was asked for, with groups.
        page: Its groups up to the last one that is wanted, those at the front included.
        place: Source and row id of the row, or of the element that is searched instead of it.
        row_id: The row.
    """

    def __init__(
        self,
        make_run: Callable[[], Run],
        request: SearchRequest,
        page: Page,
        place: tuple[int, int],
        row_id: int,
    ) -> None:
        assert request.group is not None
        self._make_run, run = make_run, make_run()
        self._keys = run.keys
        self._request, self._group = request, request.group
        self._page, self._place = page, place
        sources = run.whole if isinstance(run, ElementRun) else run.sources
        self._reader = GroupReader(run.schema, sources, request.group)
        (self._value,) = self._reader.values(np.array([place[0]]), np.array([row_id]))
        self._key = key_of(self._value)

    def verdict(self) -> tuple[Cause, GroupVerdict, str]:
        """Return what became of the row, and what would make it a hit."""
        request, size = self._request, self._group.size
        wanted = request.offset + request.limit
        number, hits = self._find(self._page)
        place = self._place_of(self._page, hits)
        if number is not None and place is not None:
            is_left_out = number <= request.offset
            cause = Cause.OFFSET if is_left_out else Cause.HIT
            return cause, self._said(number, place, hits), ""
        if number is not None:
            inside = self._within_group(number)
            said = self._said(number, inside, hits)
            if inside is not None and inside > size:
                return Cause.GROUP_FULL, said, f"group_size={inside} reaches it"
            if self._is_fused:
                return Cause.GROUP_FULL, said, "group_size= or Leg(limit=) reaches it"
            return Cause.MISSED, said, "recall=1.0 finds it"
        number, hits = self._find(self._searched(1, MAX_LIMIT))
        inside = self._within_group(number)
        said = self._said(number, inside, slice(0))
        remedies = []
        if number is not None and number > wanted:
            remedies.append(f"limit={number - request.offset}")
        elif request.ranking is not None:
            remedies.append("candidates=" if self._is_fused else "candidates='exact'")
        elif self._is_fused:
            remedies.append("Leg(limit=)")
        else:
            return Cause.MISSED, said, "recall=1.0 finds it"
        if inside is not None and inside > size:
            remedies.append(f"group_size={inside}")
        return Cause.GROUP_LIMIT, said, f"{' and '.join(remedies)} reaches it"

    @property
    def _is_fused(self) -> bool:
        return self._request.is_joined

    def _said(self, number: int | None, place: int | None, hits: slice) -> GroupVerdict:
        page = self._page
        pks = self._keys(page.sources[hits], page.row_ids[hits])
        kept = tuple(zip(pks, page.scores[hits], strict=True))
        wanted = self._request.offset + self._request.limit
        return GroupVerdict(self._value, number, wanted, place, self._group.size, kept)

    def _find(self, page: Page) -> tuple[int | None, slice]:
        """Return the number of the row's group, from 1, and where its hits stand."""
        start = 0
        for number, (value, count) in enumerate(page.groups, 1):
            if key_of(value) == self._key:
                return number, slice(start, start + count)
            start += count
        return None, slice(0)

    def _place_of(self, page: Page, hits: slice) -> int | None:
        source, row_id = self._place
        is_here = (page.sources[hits] == source) & (page.row_ids[hits] == row_id)
        places = np.flatnonzero(is_here)
        return int(places[0]) + 1 if len(places) else None

    def _within_group(self, number: int | None) -> int | None:
        """Return the place of the row among all of its group, from 1; None: it is not found.

        Args:
            number: That of the group, from 1; None where it is not known.
        """
        # Fused scores depend on the ranks that other rows have, so that all of them stay in.
        condition = None if self._is_fused else self._reader.filter_of([self._value])
        if condition is not None:
            limit = 2  # a filter takes 1 and true for equal, which are two groups
        else:
            limit = MAX_LIMIT if self._is_fused or number is None else number
        page = self._searched(MAX_LIMIT, limit, condition)
        return self._place_of(page, self._find(page)[1])

    def _searched(self, size: int, limit: int, condition: BoundFilter | None = None) -> Page:
        """Return a page of the search with other bounds, of rows that pass a filter."""
        request, legs = self._request, self._request.legs
        if condition is not None:
            legs = tuple([leg._replace(filters=(*leg.filters, condition)) for leg in legs])
        group = self._group._replace(size=size)
        asked = request._replace(legs=legs, offset=0, limit=limit, group=group)
        return grouped_page(self._make_run(), asked, group)
