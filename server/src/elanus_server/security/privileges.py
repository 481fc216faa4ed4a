"""Which privileges are there, and which one does a call need?

The protocol says it itself: the messages of its requests carry the privilege as an option. What it
leaves open stands in ``OPEN`` (everybody whose credentials are right) and ``LIKE`` (as another
call); everything else is for administrators.
"""

from __future__ import annotations

from elanus_server.failures import invalid
from elanus_server.wire import common

PREFIX = "Privilege"
GROUP_PREFIX = "PrivilegeGroup"
ALL = "All"

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
    "ListSnapshots",
    "DescribeSnapshot",
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
    "CreateSnapshot",
    "DropSnapshot",
)
_DATABASE_RO = ("ShowCollections", "DescribeDatabase")
_DATABASE_RW = (*_DATABASE_RO, "AlterDatabase")
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
        "DatabaseAdmin": (*_DATABASE_RW, "CreateCollection", "DropCollection"),
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


def privilege_name(name: str) -> str:
    """Return a privilege or one of Milvus' groups as it is kept: without prefix, written out.

    Raises:
        MilvusError: There is no such privilege.
    """
    if name == "*":
        return ALL
    plain = _SHORT.get(name, name)
    plain = plain.removeprefix(GROUP_PREFIX).removeprefix(PREFIX)
    plain = _SHORT.get(plain, plain)
    if plain not in PRIVILEGES and plain not in GROUPS:
        raise invalid(f"the privilege name[{name}] in the privilege entity is invalid")
    return plain


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
