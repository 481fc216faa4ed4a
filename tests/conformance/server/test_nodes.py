"""What a server of one node says of groups, segments, replication and what lies elsewhere."""

import grpc
import numpy as np
import pymilvus
import pytest
from pymilvus import DataType
from pymilvus.client.types import ResourceGroupConfig
from pymilvus.grpc_gen import common_pb2, feder_pb2, milvus_pb2, schema_pb2

from support.rest_client import RestClient
from support.waiting import until

NAME = "points"
DEFAULT = "__default_resource_group"
VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def points(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("bits", DataType.BINARY_VECTOR, dim=16)
    indexes = client.prepare_index_params()
    indexes.add_index("vector", metric_type="L2", index_name="near")
    indexes.add_index("bits", metric_type="HAMMING")
    client.create_collection(NAME, schema=schema, index_params=indexes, consistency_level="Strong")
    rows = [{"id": n, "vector": v.tolist(), "bits": bytes([n, 255])} for n, v in enumerate(VECTORS)]
    client.insert(NAME, rows)
    client.flush(NAME)
    return client


@pytest.fixture
def groups(points):
    yield points
    names = [name for name in points.list_resource_groups() if name != DEFAULT]
    if names:
        points.update_resource_groups({name: config(0, 0) for name in names})
    for name in names:
        points.drop_resource_group(name)


def config(requests, limits):
    return ResourceGroupConfig(requests={"node_num": requests}, limits={"node_num": limits})


def stub(client):
    return client._get_connection()._stub


def refused(client, call, code, text, *arguments, **options):
    with pytest.raises(pymilvus.MilvusException, match=text) as raised:
        getattr(client, call)(*arguments, **options)
    assert raised.value.code == code


# --- groups -----------------------------------------------------------------------------------


def test_groups_are_kept_and_hold_the_node_that_they_ask_for(groups):
    assert groups.list_resource_groups() == [DEFAULT]
    groups.create_resource_group("one")
    groups.create_resource_group("one")
    groups.create_resource_group("two", config=config(0, 2))
    assert groups.list_resource_groups() == [DEFAULT, "one", "two"]
    found = groups.describe_resource_group(DEFAULT)
    assert (found.num_available_node, found.num_loaded_replica) == (1, {NAME: 1})
    assert groups.describe_resource_group("two").num_available_node == 0
    groups.update_resource_groups({"two": config(1, 1)})
    found = groups.describe_resource_group("two")
    assert (found.capacity, found.num_available_node) == (1, 1)
    assert found.config.requests.node_num == found.config.limits.node_num == 1
    assert [node.node_id for node in found.nodes] == [1]
    assert groups.describe_resource_group(DEFAULT).num_available_node == 0
    (replica,) = groups.describe_replica(NAME)
    assert replica.resource_group == "two"
    groups.update_resource_groups({"two": config(0, 0)})
    groups.drop_resource_group("two")
    groups.drop_resource_group("two")
    assert groups.list_resource_groups() == [DEFAULT, "one"]


def test_node_is_transferred(groups):
    groups.create_resource_group("one")
    move = milvus_pb2.TransferNodeRequest(
        source_resource_group=DEFAULT, target_resource_group="one", num_node=1
    )
    assert stub(groups).TransferNode(move).code == 0
    assert groups.describe_resource_group("one").num_available_node == 1
    again = stub(groups).TransferNode(move)
    assert again.code == 304
    assert again.reason == (
        f"resource group node not enough[rg={DEFAULT}][currentNodeNum=0][expectedNodeNum=1]"
    )
    move.source_resource_group, move.target_resource_group = "one", DEFAULT
    assert stub(groups).TransferNode(move).code == 0
    assert groups.describe_resource_group(DEFAULT).num_available_node == 1


def test_default_group_keeps_the_node_that_it_asks_for(groups):
    groups.update_resource_groups({DEFAULT: config(1, 1)})
    groups.create_resource_group("one", config=config(2, 2))
    assert groups.describe_resource_group(DEFAULT).num_available_node == 1
    found = groups.describe_resource_group("one")
    assert (found.capacity, found.num_available_node) == (2, 0)
    move = milvus_pb2.TransferNodeRequest(
        source_resource_group=DEFAULT, target_resource_group="one", num_node=1
    )
    assert stub(groups).TransferNode(move).code == 0
    assert groups.describe_resource_group("one").num_available_node == 1
    groups.update_resource_groups({DEFAULT: config(0, 1_000_000)})


def test_there_is_always_a_root(client):
    client.create_user("ann", "ann-password")
    assert client.list_users() == ["ann", "root"]
    assert client.describe_user("root")["roles"] == ("admin",)
    client.drop_user("ann")
    assert client.list_users() == ["root"]


def test_refusals_of_groups(groups):
    groups.create_resource_group("one")
    refused(groups, "create_resource_group", 1100, "Invalid resource group name", "1")
    refused(groups, "create_resource_group", 301, "different config", "one", config=config(1, 1))
    refused(groups, "create_resource_group", 303, "illegal config", "two", config=config(2, 1))
    refused(groups, "describe_resource_group", 300, r"not found\[rg=none\]", "none")
    refused(groups, "update_resource_groups", 300, r"not found\[rg=none\]", {"none": config(0, 0)})
    refused(groups, "drop_resource_group", 1100, "default resource group is not", DEFAULT)
    groups.update_resource_groups({"one": config(0, 1)})
    refused(groups, "drop_resource_group", 1100, "limits node num is not 0", "one")
    transfer = "transfer_replica"
    refused(groups, transfer, 300, r"not found\[rg=none\]", DEFAULT, "none", NAME, 1)
    refused(groups, transfer, 1100, "should not be the same", DEFAULT, DEFAULT, NAME, 1)
    refused(groups, transfer, 1100, r"only found \[0\] replicas", "one", DEFAULT, NAME, 1)
    refused(groups, transfer, 304, "node not enough", DEFAULT, "one", NAME, 1)


def test_groups_over_rest(groups, uri):
    rest = RestClient(uri)
    rest.data("resource_groups/create", name="one", config={"limits": {"node_num": 1}})
    assert rest.data("resource_groups/list") == [DEFAULT, "one"]
    limits = {"requests": {"node_num": 1}, "limits": {"node_num": 1}}
    rest.data("resource_groups/alter", resource_groups={"one": limits})
    assert rest.data("resource_groups/describe", name="one")["num_available_node"] == 1
    assert rest.refusal("resource_groups/drop", name="one")[0] == 1100


def test_load_is_balanced_among_one_node(points):
    request = milvus_pb2.LoadBalanceRequest(src_nodeID=1, collectionName=NAME)
    assert stub(points).LoadBalance(request).code == 0
    request.dst_nodeIDs.append(2)
    answer = stub(points).LoadBalance(request)
    assert (answer.code, answer.reason) == (901, "node not found[node=2]")


# --- segments ---------------------------------------------------------------------------------


def test_segments_with_an_index(points):
    request = feder_pb2.ListIndexedSegmentRequest(collection_name=NAME, index_name="near")
    listed = stub(points).ListIndexedSegment(request)
    persistent = points.list_persistent_segments(NAME)
    assert list(listed.segmentIDs) == [segment.segment_id for segment in persistent]
    request.index_name = "none"
    assert stub(points).ListIndexedSegment(request).status.code == 700
    asked = feder_pb2.DescribeSegmentIndexDataRequest(collection_name=NAME, index_name="near")
    told = stub(points).DescribeSegmentIndexData(asked).status
    assert (told.code, told.reason) == (2, "service unavailable: unimp")


def test_collection_is_warmed(points):
    task = stub(points).Prewarm(milvus_pb2.PrewarmRequest(collection_name=NAME)).taskID
    asked = milvus_pb2.DescribePrewarmTaskRequest(taskID=task)
    done = until(lambda: stub(points).DescribePrewarmTask(asked), lambda told: told.state >= 3)
    assert (done.state, done.progress, done.error_message, done.taskID) == (3, 100, "", task)
    missing = milvus_pb2.DescribePrewarmTaskRequest(taskID="x")
    assert "prewarm task x not found" in stub(points).DescribePrewarmTask(missing).status.reason
    wrong = milvus_pb2.PrewarmRequest(collection_name=NAME, load_fields=["none"])
    assert stub(points).Prewarm(wrong).status.reason.startswith("field none does not exist")
    points.release_collection(NAME)
    unloaded = stub(points).Prewarm(milvus_pb2.PrewarmRequest(collection_name=NAME))
    assert unloaded.status.code == 101


# --- distances and texts ----------------------------------------------------------------------


def floats(values):
    values = np.asarray(values, np.float32)
    data = schema_pb2.FloatArray(data=values.ravel().tolist())
    field = schema_pb2.VectorField(dim=values.shape[1], float_vector=data)
    return milvus_pb2.VectorsArray(data_array=field)


def stored(*ids, field="vector"):
    given = schema_pb2.IDs(int_id=schema_pb2.LongArray(data=ids))
    asked = milvus_pb2.VectorIDs(collection_name=NAME, field_name=field, id_array=given)
    return milvus_pb2.VectorsArray(id_array=asked)


def distances(client, left, right, **params):
    pairs = [common_pb2.KeyValuePair(key=name, value=text) for name, text in params.items()]
    request = milvus_pb2.CalcDistanceRequest(op_left=left, op_right=right, params=pairs)
    answer = stub(client).CalcDistance(request)
    return answer.status, list(answer.int_dist.data) or list(answer.float_dist.data)


def test_distances(points):
    left, right = VECTORS[:2], VECTORS[1:] + 0.5
    squares = [((a - b) ** 2).sum() for a in left for b in right]
    assert distances(points, floats(left), floats(right), metric="L2")[1] == pytest.approx(squares)
    found = distances(points, floats(left), floats(right), metric="L2", sqrt="true")[1]
    assert found == pytest.approx(np.sqrt(squares))
    found = distances(points, floats(left), floats(right), metric="IP")[1]
    assert found == pytest.approx((left @ right.T).ravel())
    found = distances(points, stored(2, 0), floats(VECTORS[:1]), metric="COSINE")[1]
    lengths = np.linalg.norm(VECTORS, axis=1)
    cosine = VECTORS[2] @ VECTORS[0] / (lengths[2] * lengths[0])
    assert found == pytest.approx([cosine, 1.0])
    # The bytes (1, 255) and (2, 255) differ in 2 bits of 10 that either has, and (0, 255) in 1.
    bits = stored(1, field="bits")
    assert distances(points, bits, stored(2, 0, field="bits"), metric="HAMMING")[1] == [2, 1]
    found = distances(points, bits, stored(2, 0, field="bits"), metric="JACCARD")[1]
    assert found == pytest.approx([2 / 10, 1 / 9])
    found = distances(points, bits, stored(2, field="bits"), metric="TANIMOTO")[1]
    assert found == pytest.approx([-np.log2(0.8)])


def test_distances_that_are_refused(points):
    two = floats([[1.0, 2.0]])
    assert "of one type and dim" in distances(points, two, stored(1), metric="L2")[0].reason
    assert "no vector vector of the entity 9" in distances(points, stored(9), two)[0].reason
    assert "does not match float" in distances(points, two, two, metric="HAMMING")[0].reason
    assert "got neither" in distances(points, milvus_pb2.VectorsArray(), two)[0].reason


def test_smallest_slop_of_a_phrase(client):
    texts = ["I like swimming and riding!", "riding", "swimming riding", "riding swimming"]
    request = milvus_pb2.ComputePhraseMatchSlopRequest(
        query_text="swimming riding", data_texts=texts, analyzer_params='{"type": "standard"}'
    )
    found = stub(client).ComputePhraseMatchSlop(request)
    assert list(found.is_match) == [True, False, True, True]
    assert list(found.slops) == [1, -1, 0, 2]
    request.query_text = ""
    assert not stub(client).ComputePhraseMatchSlop(request).is_match
    request.query_text, request.analyzer_params = "a", '{"tokenizer": "none"}'
    assert "none" in stub(client).ComputePhraseMatchSlop(request).status.reason


# --- replication, and what lies elsewhere -----------------------------------------------------


def test_server_is_a_cluster_of_its_own(client):
    found = client.get_replicate_configuration()
    assert [cluster.cluster_id for cluster in found.clusters] == ["elanus"]
    assert not found.cross_cluster_topology
    here = {"cluster_id": "elanus", "connection_param": {"uri": "http://a", "token": ""}}
    there = {"cluster_id": "other", "connection_param": {"uri": "http://b", "token": ""}}
    client.update_replicate_configuration(clusters=[here])
    call = "update_replicate_configuration"
    refused(client, call, 10, "service unimplemented", clusters=[here, there])
    refused(client, call, 1100, "different cluster_id", clusters=[here, here])
    found = client.get_replicate_info("other", "channel")
    assert found == {"checkpoint": None, "salvage_checkpoint": None}
    answer = stub(client).ReplicateMessage(milvus_pb2.ReplicateMessageRequest(channel_name="c"))
    assert answer.status.code == 1900


def refused_stream(stream):
    with pytest.raises(grpc.RpcError) as raised:
        list(stream)
    return raised.value.code().name, raised.value.details()


@pytest.mark.parametrize(
    ("channel", "start", "text"),
    [
        ("", "1", "missing parameter[missing_param=pchannel]"),
        ("c", "", "missing parameter[missing_param=start_message_id]"),
        ("c", "1", "channel not found[channel=c]"),
    ],
)
def test_there_is_no_log_to_dump(client, channel, start, text):
    request = milvus_pb2.DumpMessagesRequest(pchannel=channel)
    request.start_message_id.id = start
    assert refused_stream(stub(client).DumpMessages(request)) == ("INVALID_ARGUMENT", text)


def test_stream_of_messages_that_are_not_taken_ends(client):
    create = stub(client).CreateReplicateStream
    cause = "code: STREAMING_CODE_INVAILD_ARGUMENT, cause: cluster id "
    assert refused_stream(create(iter([]))) == (
        "INVALID_ARGUMENT",
        cause + "not found in context",
    )
    unnamed = [("cluster-id", "")]
    assert refused_stream(create(iter([]), metadata=unnamed)) == (
        "INVALID_ARGUMENT",
        cause + "is empty",
    )
    named = [("cluster-id", "other")]
    assert list(create(iter([]), metadata=named, timeout=30)) == []
    message = milvus_pb2.ReplicateRequest()
    message.replicate_message.source_cluster_id = "other"
    sent = []

    def endless():
        while len(sent) < 1_000_000:
            sent.append(1)
            yield message

    assert list(create(endless(), metadata=named, timeout=30)) == []
    assert len(sent) < 1_000_000


def test_nothing_lies_elsewhere(points, uri):
    refused(points, "refresh_external_collection", 1100, "not an external collection", NAME)
    refused(points, "refresh_external_collection", 100, "collection not found", "none")
    refused(points, "get_refresh_external_collection_progress", 1100, "job 7 not found", 7)
    missing = "job_id is required: missing parameter"
    refused(points, "get_refresh_external_collection_progress", 1101, missing, 0)
    assert points.list_refresh_external_collection_jobs() == []
    listed = "list_refresh_external_collection_jobs"
    refused(points, listed, 1100, f"collection {NAME} is not an external collection", NAME)
    request = milvus_pb2.RefreshExternalCollectionRequest(collection_name=NAME)
    request.external_source = "s3://a"
    told = stub(points).RefreshExternalCollection(request).status
    assert (told.code, told.reason) == (
        1100,
        "external_source and external_spec must be both provided or both omitted on refresh "
        '(got source="s3://a", spec=""): invalid parameter',
    )


def test_manifests_are_the_servers_own(points):
    request = milvus_pb2.BatchUpdateManifestRequest()
    answers = []
    for change in (
        lambda: setattr(request, "collection_name", "none"),
        lambda: request.items.add(segment_id=1),
        lambda: setattr(request, "collection_name", NAME),
        lambda: None,
    ):
        told = stub(points).BatchUpdateManifest(request)
        answers.append((told.code, told.reason.partition(":")[0]))
        change()
    assert answers == [
        (1100, "collection name is empty"),
        (1100, "items is empty"),
        (100, "collection not found[database=default][collection=none]"),
        (10, "batch update manifest"),
    ]


def test_snapshots_stay_in_the_folder(points, uri):
    points.create_snapshot("s", NAME)
    rest = RestClient(uri)
    export = {"collectionName": NAME, "targetS3Path": "s3://b/x"}
    assert rest.refusal("jobs/snapshot/export", snapshotName="s", **export)[0] == 10
    assert rest.refusal("jobs/snapshot/export", snapshotName="t", **export)[0] == 2600
    state = stub(points).GetExportSnapshotState(milvus_pb2.GetExportSnapshotStateRequest(job_id=3))
    assert "export job 3 not found" in state.status.reason
    code, _ = rest.refusal(
        "jobs/snapshot/restore_external",
        targetCollectionName="new",
        snapshotMetadataURI="s3://b/x/m",
    )
    assert code == 10
    schema = points.create_schema(external_source="s3://b/x")
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    with pytest.raises(pymilvus.MilvusException, match="collections hold their data themselves"):
        points.create_collection("elsewhere", schema=schema)


def test_links_and_dummies(client):
    answer = stub(client).RegisterLink(milvus_pb2.RegisterLinkRequest())
    assert (answer.status.code, answer.status.reason) == (0, "STANDALONE")
    answer = stub(client).Dummy(milvus_pb2.DummyRequest(request_type="x"))
    assert answer.response == '{"status": "fail"}'
