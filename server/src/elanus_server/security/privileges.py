"""Which privileges are there, and which one does a call need?

The protocol says it itself: the messages of its requests carry the privilege as an option. What it
leaves open stands in ``OPEN`` (everybody whose credentials are right) and ``LIKE`` (as another
call); everything else is for administrators.
"""

from __future__ import annotations

from elanus_server.failures import UNEXPECTED, MilvusError
from elanus_server.wire import common, milvus

PREFIX = "Privilege"
GROUP_PREFIX = "PrivilegeGroup"
ALL = "All"
EVERY = "*"
"""Every privilege of one kind of object."""
COLLECTION, GLOBAL, USER = KINDS = ("Collection", "Global", "User")
"""Kinds of objects that privileges are about."""

PRIVILEGES = frozenset(
    name.removeprefix(PREFIX)
    for name, _ in common.ObjectPrivilege.items()
    if not name.startswith(GROUP_PREFIX)
)
"""Names of privileges as users write them, such as ``Search``."""

_COLLECTION_RO = (
    "Query",
    "Search",
    "IndexDetail",
    "GetFlushState",
    "GetLoadState",
    "GetLoadingProgress",
    "HasPartition",
    "ShowPartitions",
    "DescribeCollection",
    "DescribeAlias",
    "GetStatistics",
    "ListAliases",
)
_COLLECTION_RW = (
    *_COLLECTION_RO,
    "Load",
    "Release",
    "Insert",
    "Delete",
    "Upsert",
    "Import",
    "GetImportProgress",
    "ListImport",
    "Flush",
    "Compaction",
    "LoadBalance",
    "CreateIndex",
    "DropIndex",
    "CreatePartition",
    "DropPartition",
    "AddCollectionField",
    "AlterCollectionSchema",
)
_DATABASE_RO = ("ShowCollections", "DescribeDatabase", "ListSnapshots", "DescribeSnapshot")
_DATABASE_RW = (*_DATABASE_RO, "AlterDatabase", "CreateSnapshot", "DropSnapshot")
_CLUSTER_RO = (
    "ListDatabases",
    "SelectOwnership",
    "SelectUser",
    "DescribeResourceGroup",
    "ListResourceGroups",
    "ListPrivilegeGroups",
    "ListFileResources",
    "GetReplicateConfiguration",
)
_CLUSTER_RW = (
    *_CLUSTER_RO,
    "FlushAll",
    "TransferNode",
    "TransferReplica",
    "UpdateResourceGroups",
    "AddFileResource",
    "RemoveFileResource",
)
GROUPS: dict[str, frozenset[str]] = {
    name: frozenset(members)
    for name, members in {
        "CollectionReadOnly": _COLLECTION_RO,
        "CollectionReadWrite": _COLLECTION_RW,
        "CollectionAdmin": (*_COLLECTION_RW, "CreateAlias", "DropAlias"),
        "DatabaseReadOnly": _DATABASE_RO,
        "DatabaseReadWrite": _DATABASE_RW,
        "DatabaseAdmin": (*_DATABASE_RW, "CreateCollection", "DropCollection", "RestoreSnapshot"),
        "ClusterReadOnly": _CLUSTER_RO,
        "ClusterReadWrite": _CLUSTER_RW,
        "ClusterAdmin": (
            *_CLUSTER_RW,
            "BackupRBAC",
            "RestoreRBAC",
            "CreateDatabase",
            "DropDatabase",
            "CreateOwnership",
            "DropOwnership",
            "ManageOwnership",
            "UpdateUser",
            "CreateResourceGroup",
            "DropResourceGroup",
            "RenameCollection",
            "CreatePrivilegeGroup",
            "DropPrivilegeGroup",
            "OperatePrivilegeGroup",
            "UpdateReplicateConfiguration",
        ),
    }.items()
}
"""Milvus' groups. ``COLL_RO`` is ``CollectionReadOnly``, and so on."""
_ANYWHERE_RO = (
    "Query",
    "Search",
    "IndexDetail",
    "GetFlushState",
    "GetLoadState",
    "GetLoadingProgress",
    "HasPartition",
    "ShowPartitions",
    "ShowCollections",
    "ListAliases",
    "ListDatabases",
    "DescribeCollection",
    "DescribeDatabase",
    "DescribeAlias",
    "GetStatistics",
)
_ANYWHERE_RW = (
    *_ANYWHERE_RO,
    "CreateIndex",
    "DropIndex",
    "CreatePartition",
    "DropPartition",
    "Load",
    "Release",
    "Insert",
    "Delete",
    "Upsert",
    "Import",
    "Flush",
    "Compaction",
    "LoadBalance",
    "RenameCollection",
    "CreateAlias",
    "DropAlias",
)
OLD_GROUPS: dict[str, frozenset[str]] = {
    "ReadOnly": frozenset(_ANYWHERE_RO),
    "ReadWrite": frozenset(_ANYWHERE_RW),
    "Admin": frozenset(
        (
            *_ANYWHERE_RW,
            "CreateCollection",
            "DropCollection",
            "CreateOwnership",
            "DropOwnership",
            "SelectOwnership",
            "ManageOwnership",
            "SelectUser",
            "UpdateUser",
            "BackupRBAC",
            "RestoreRBAC",
            "CreateResourceGroup",
            "UpdateResourceGroups",
            "DropResourceGroup",
            "DescribeResourceGroup",
            "ListResourceGroups",
            "TransferReplica",
            "TransferNode",
            "CreateDatabase",
            "DropDatabase",
            "AlterDatabase",
        )
    ),
}
"""Groups of before 2.5: they can be granted, and are in no list."""
BROUGHT_BY = {
    "GetLoadState": ("Load",),
    "GetLoadingProgress": ("Load",),
    "GetFlushState": ("Flush",),
}
"""Privileges that others bring along: clients wait for what they asked for."""
LEVELS = ("Cluster", "Database", "Collection")
"""Where a privilege holds, the widest first; every group is of one level."""
_SHORT = {
    f"{short}_{level}": f"{long}{words}"
    for short, long in (("COLL", "Collection"), ("DB", "Database"), ("Cluster", "Cluster"))
    for level, words in (
        ("RO", "ReadOnly"),
        ("RW", "ReadWrite"),
        ("ADMIN", "Admin"),
        ("Admin", "Admin"),
    )
}

OPEN = frozenset(
    {
        "Connect",
        "GetVersion",
        "CheckHealth",
        "GetComponentStates",
        "AllocTimestamp",
        "ListDatabases",
        "ShowCollections",
        "GetFlushAllState",
        "GetCompactionState",
        "GetCompactionStateWithPlans",
        "ComputePhraseMatchSlop",
        "RegisterLink",
        "Dummy",
    }
)
"""Calls of everybody who is known. Lists hold only what the user may use."""

LIKE = {
    "HasCollection": "DescribeCollection",
    "GetPersistentSegmentInfo": "GetStatistics",
    "GetQuerySegmentInfo": "GetStatistics",
    "GetReplicas": "GetLoadState",
    "RunAnalyzer": "DescribeCollection",
    "GetImportState": "GetImportProgress",
    "ListImportTasks": "ListImport",
    "GetMetrics": "SelectOwnership",
    "GetRestoreSnapshotState": "RestoreSnapshot",
    "CalcDistance": "Query",
    "ListIndexedSegment": "IndexDetail",
    "DescribeSegmentIndexData": "IndexDetail",
    "DescribePrewarmTask": "GetLoadingProgress",
    "GetReplicateInfo": "GetReplicateConfiguration",
    "GetRefreshExternalCollectionProgress": "RefreshExternalCollection",
    "ListRefreshExternalCollectionJobs": "RefreshExternalCollection",
    "CreateToken": "UpdateUser",
    "RevokeToken": "UpdateUser",
    "ListTokens": "SelectUser",
}
"""Privilege of calls for which the protocol names none."""

FOR_ADMINISTRATORS = frozenset({"AddUserTags", "DeleteUserTags", "SetLimits", "ListLimits"})
"""Calls whose privilege in the protocol would let users widen what row policies show them."""

READING = frozenset({*_COLLECTION_RO, *_DATABASE_RO, *_CLUSTER_RO})
"""Privileges of calls that change nothing: what a read-only token may be used for."""

SEEN_WITH_ANY = frozenset(
    {"DescribeCollection", "IndexDetail", "GetLoadState", "GetLoadingProgress", "HasPartition"}
)
"""Who may do anything with a collection may also see what it is: clients ask before they write."""
SEEN_FROM_WITHIN = "DescribeDatabase"
"""Who may do anything in a database may also see what it is: clients ask before they use it."""


def _kinds() -> dict[str, str]:
    """Return which kind of object each privilege is about, as requests of the protocol say."""
    found = dict.fromkeys(PRIVILEGES, GLOBAL) | {"GetLoadingProgress": COLLECTION}
    said: dict[str, set[str]] = {}
    for message in milvus.DESCRIPTOR.message_types_by_name.values():
        options = message.GetOptions()
        if options.HasExtension(common.privilege_ext_obj):
            needs = options.Extensions[common.privilege_ext_obj]
            name = common.ObjectPrivilege.Name(needs.object_privilege).removeprefix(PREFIX)
            said.setdefault(name, set()).add(common.ObjectType.Name(needs.object_type))
    # Some are needed for calls on collections and for others: these are global.
    return found | {name: kinds.pop() for name, kinds in said.items() if len(kinds) == 1}


_KINDS = _kinds() | {"ReadOnly": COLLECTION, "ReadWrite": COLLECTION}


def kind_of(name: str) -> str:
    """Return which kind of object a privilege or group is about."""
    return _KINDS.get(name, GLOBAL)


def level_of(privilege: str) -> str:
    """Return the level of a privilege; "" for those that no group of Milvus has."""
    return next((level for level in LEVELS if privilege in GROUPS[f"{level}Admin"]), "")


def known_privilege(name: str) -> str | None:
    """Return a privilege or one of Milvus' groups as it is kept: without prefix, written out.

    Returns:
        The name; None where Milvus has no such privilege or group.
    """
    plain = _SHORT.get(name, name)
    plain = plain.removeprefix(GROUP_PREFIX).removeprefix(PREFIX)
    plain = _SHORT.get(plain, plain)
    is_known = plain in PRIVILEGES or plain in GROUPS or plain in OLD_GROUPS
    return plain if is_known or plain == EVERY else None


def unknown_privilege(name: str, place: str = "") -> MilvusError:
    """Return the error of a privilege that there is not."""
    return MilvusError(UNEXPECTED, f"not found the privilege name[{name}]{place}")


def needed_privilege(method: str, request_type: object) -> str | None:
    """Return the privilege that a call needs; None: it is for administrators.

    Args:
        method: Name of the call.
        request_type: Class of its request.
    """
    if method in FOR_ADMINISTRATORS:
        return None
    if method in LIKE:
        return LIKE[method]
    options = request_type.DESCRIPTOR.GetOptions()  # type: ignore[attr-defined]
    if not options.HasExtension(common.privilege_ext_obj):
        return None
    said = options.Extensions[common.privilege_ext_obj]
    name: str = common.ObjectPrivilege.Name(said.object_privilege)
    return name.removeprefix(PREFIX)
