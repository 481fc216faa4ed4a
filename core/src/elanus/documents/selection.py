"""Which entities does a selection of documents mean?

Everything becomes one filter tree over the fields of the collection: what the user says about
metadata, the ids, the source documents, and the tenant, which no filter of a user can lift because
it is joined to the outside of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from elanus.documents.layout import Layout
from elanus.documents.requests import Selection
from elanus.documents.rows import tenant_prefix, to_pk
from elanus.errors import InvalidArgumentError
from elanus.filter import (
    And,
    Compare,
    CompareOp,
    FieldRef,
    In,
    IsNull,
    Literal,
    Node,
    Not,
    compile_filter,
)
from elanus.schema.collection import Schema


def selection_to_filter(
    selection: Selection,
    layout: Layout,
    schema: Schema,
    tenant: str | None,
) -> Node | None:
    """Return the tree that selects the documents, or None when it would select all of them.

    Args:
        selection: What the user asked for; not ``is_empty``.
        layout: What the collection offers.
        schema: Its fields.
        tenant: The tenant that the caller is bound to, or None.

    Raises:
        FilterError: The user's filter cannot be read.
        InvalidArgumentError: Ids without a tenant, see ``pks_of``.
    """
    names = layout.names
    terms: list[Node] = []
    if layout.partition_key is not None and tenant is not None:
        terms.append(Compare(CompareOp.EQ, FieldRef(layout.partition_key), Literal(tenant)))
    if selection.ids is not None:
        pks = pks_of(selection.ids, layout, tenant)
        terms.append(In(FieldRef(names.id), Literal(tuple(pks))))
    if selection.ref_doc_ids is not None:
        if not layout.extras:
            raise InvalidArgumentError(f"the collection has no field {names.ref_doc_id!r}")
        terms.append(In(FieldRef(names.ref_doc_id), Literal(tuple(selection.ref_doc_ids))))
    if selection.condition is not None:
        terms.append(selection.condition)
    own = compile_filter(selection.filter, schema, root=names.metadata)
    if own is not None:
        terms.append(own.tree)
    if not terms:
        return None
    return terms[0] if len(terms) == 1 else And(tuple(terms))


def everything(layout: Layout, tenant: str | None) -> Node:
    """Return the tree that selects every document, or every one of the tenant."""
    if layout.partition_key is not None and tenant is not None:
        return Compare(CompareOp.EQ, FieldRef(layout.partition_key), Literal(tenant))
    return Not(IsNull(FieldRef(layout.names.id)))


def pks_of(ids: Sequence[str], layout: Layout, tenant: str | None) -> list[str]:
    """Return the stored keys of documents.

    Raises:
        InvalidArgumentError: The collection is partitioned, the caller is not bound to a tenant,
            and an id does not say whose document it is.
    """
    if layout.partition_key is None:
        return list(ids)
    if tenant is not None:
        return [to_pk(i, tenant, bound=True) for i in ids]
    lost = next((i for i in ids if "/" not in i), None)
    if lost is not None:
        raise InvalidArgumentError(
            f"id {lost!r}: the collection is partitioned by {layout.partition_key!r}; write it as "
            f"{tenant_prefix('tenant') + lost!r}, or use for_tenant(...)"
        )
    return list(ids)
