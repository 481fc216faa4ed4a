// Making, describing and changing collections; what tools ask; errors; a server that comes back.
const { after, before, test } = require("node:test");
const { DataType, MilvusClient } = require("@zilliz/milvus2-sdk-node");
const { assert, connected, ok, refused, restart, since, URI, VERSION } = require("./node_support.cjs");

let client;
before(async () => {
  client = await connected("node_collections");
});
after(async () => {
  await client.closeConnection();
});

test("connection, version and health", async () => {
  await client.connectPromise;
  assert.match(ok(await client.getVersion()).version, /^v3\./);
  assert.equal(ok(await client.checkHealth()).isHealthy, true);
});

test("quick set-up", async () => {
  ok(await client.createCollection({ collection_name: "quick", dimension: 3 }));
  const found = ok(await client.describeCollection({ collection_name: "quick" }));
  assert.deepEqual(
    found.schema.fields.map((f) => [f.name, f.data_type, f.is_primary_key, Number(f.fieldID)]),
    [["id", "Int64", true, 100], ["vector", "FloatVector", false, 101]],
  );
  assert.equal(found.schema.enable_dynamic_field, true);
  assert.equal(found.consistency_level, "Bounded");
  assert.equal(found.collection_name, "quick");
  assert.equal(found.db_name, "node_collections");
  assert.equal(found.shards_num, 1);
  assert.equal(found.num_partitions, "1");
  const index = ok(await client.describeIndex({ collection_name: "quick" })).index_descriptions[0];
  assert.equal(index.state, "Finished");
  assert.deepEqual(index.params.find((p) => p.key === "metric_type").value, "COSINE");
  const state = ok(await client.getLoadState({ collection_name: "quick" }));
  assert.equal(state.state, "LoadStateLoaded");
  assert.equal(ok(await client.hasCollection({ collection_name: "quick" })).value, true);
  assert.equal(ok(await client.hasCollection({ collection_name: "none" })).value, false);
  const shown = ok(await client.showCollections());
  const one = shown.data.find((c) => c.name === "quick");
  assert.equal(one.id, found.collectionID);
  assert.equal(await client.getPkFieldName({ collection_name: "quick" }), "id");
});

test("a schema, its indexes and its properties", async () => {
  ok(
    await client.createCollection({
      collection_name: "chunks",
      description: "chunks",
      consistency_level: "Strong",
      fields: [
        { name: "id", data_type: DataType.VarChar, is_primary_key: true, max_length: 64 },
        { name: "vector", data_type: DataType.FloatVector, dim: 4 },
        { name: "year", data_type: DataType.Int32, nullable: true },
        { name: "language", data_type: DataType.VarChar, max_length: 8, default_value: "en" },
        { name: "tags", data_type: DataType.Array, element_type: DataType.VarChar, max_capacity: 9, max_length: 20 },
      ],
      properties: { "collection.ttl.seconds": 86400 },
    }),
  );
  const found = ok(await client.describeCollection({ collection_name: "chunks" }));
  assert.equal(found.consistency_level, "Strong");
  assert.equal(found.schema.description, "chunks");
  const fields = Object.fromEntries(found.schema.fields.map((f) => [f.name, f]));
  assert.equal(fields.year.nullable, true);
  assert.equal(fields.language.default_value, "en");
  assert.equal(fields.tags.element_type, "VarChar");
  assert.deepEqual(found.properties, [{ key: "collection.ttl.seconds", value: "86400" }]);
  refused(await client.loadCollectionAsync({ collection_name: "chunks" }), 700, /index not found/);
  ok(
    await client.createIndex([
      { collection_name: "chunks", field_name: "vector", index_name: "v", index_type: "HNSW", metric_type: "L2", params: { M: 8, efConstruction: 64 } },
      { collection_name: "chunks", field_name: "year", index_type: "STL_SORT" },
    ]),
  );
  refused(
    await client.createIndex({ collection_name: "chunks", field_name: "vector", index_type: "FLAT", metric_type: "L2" }),
    1100, // Milvus' invalid parameter
    /at most one distinct index is allowed per field/,
  );
  assert.deepEqual(ok(await client.listIndexes({ collection_name: "chunks" })).indexes.sort(), ["v", "year"]);
  const progress = ok(await client.getIndexBuildProgress({ collection_name: "chunks", index_name: "v" }));
  assert.equal(progress.total_rows, "0");
  assert.equal(ok(await client.getIndexState({ collection_name: "chunks", index_name: "v" })).state, "Finished");
  if (VERSION >= 2.6) ok(await client.getIndexStatistics({ collection_name: "chunks", index_name: "v" }));
  ok(await client.alterIndexProperties({ collection_name: "chunks", index_name: "v", params: { "mmap.enabled": true } }));
  const described = ok(await client.describeIndex({ collection_name: "chunks", index_name: "v" }));
  const params = Object.fromEntries(described.index_descriptions[0].params.map((p) => [p.key, p.value]));
  assert.equal(params["mmap.enabled"], "true");
  assert.equal(params.index_type, "HNSW");
  ok(await client.dropIndexProperties({ collection_name: "chunks", index_name: "v", properties: ["mmap.enabled"] }));
  ok(await client.loadCollectionSync({ collection_name: "chunks" }));
  assert.equal(ok(await client.getLoadingProgress({ collection_name: "chunks" })).progress, "100");
  ok(await client.alterCollectionProperties({ collection_name: "chunks", properties: { mine: "x" } }));
  ok(await client.dropCollectionProperties({ collection_name: "chunks", properties: ["collection.ttl.seconds"] }));
  const changed = ok(await client.describeCollection({ collection_name: "chunks" }));
  assert.deepEqual(changed.properties, [{ key: "mine", value: "x" }]);
  ok(await client.alterCollectionFieldProperties({ collection_name: "chunks", field_name: "id", properties: { max_length: 128 } }));
  if (VERSION >= 2.6) ok(await client.addCollectionField({ collection_name: "chunks", field: { name: "note", data_type: DataType.VarChar, max_length: 9, nullable: true } }));
  const grown = ok(await client.describeCollection({ collection_name: "chunks" }));
  if (VERSION >= 2.6) assert.equal(grown.schema.fields.find((f) => f.name === "note").nullable, true);
  refused(await client.dropIndex({ collection_name: "chunks", index_name: "v" }), 1100, /cannot be dropped on loaded/);
  ok(await client.releaseCollection({ collection_name: "chunks" }));
  ok(await client.dropIndex({ collection_name: "chunks", index_name: "v" }));
});

test("partitions", async () => {
  const where = { collection_name: "parts" };
  ok(await client.createCollection({ ...where, dimension: 2 }));
  ok(await client.createPartition({ ...where, partition_name: "new" }));
  assert.equal(ok(await client.hasPartition({ ...where, partition_name: "new" })).value, true);
  assert.deepEqual(ok(await client.listPartitions(where)).partition_names, ["_default", "new"]);
  ok(await client.insert({ ...where, data: [{ id: 1, vector: [1, 0] }] }));
  ok(await client.insert({ ...where, partition_name: "new", data: [{ id: 2, vector: [1, 0] }] }));
  const rows = ok(await client.getPartitionStatistics({ ...where, partition_name: "new" }));
  assert.equal(rows.data.row_count, "1");
  const found = ok(await client.query({ ...where, filter: "id > 0", partition_names: ["new"], output_fields: ["id"] }));
  assert.deepEqual(found.data.map((r) => r.id), ["2"]);
  ok(await client.releasePartitions({ ...where, partition_names: ["new"] }));
  refused(await client.query({ ...where, filter: "id > 0", partition_names: ["new"] }), 201, /not loaded/);
  ok(await client.dropPartition({ ...where, partition_name: "new" }));
  refused(await client.dropPartition({ ...where, partition_name: "_default" }), 1100, /default partition cannot be deleted/);
});

test("aliases, databases and names", async () => {
  for (const name of ["one", "two"]) ok(await client.createCollection({ collection_name: name, dimension: 2 }));
  ok(await client.createAlias({ collection_name: "one", alias: "current" }));
  assert.equal(ok(await client.describeAlias({ collection_name: "one", alias: "current" })).collection, "one");
  ok(await client.alterAlias({ collection_name: "two", alias: "current" }));
  assert.deepEqual(ok(await client.listAliases({ collection_name: "two" })).aliases, ["current"]);
  refused(await client.dropCollection({ collection_name: "two" }), 1100, /associated aliases/);
  ok(await client.dropAlias({ alias: "current" }));
  refused(await client.describeAlias({ collection_name: "one", alias: "current" }), 1600, /alias not found/);
  ok(await client.renameCollection({ collection_name: "two", new_collection_name: "three" }));
  assert.equal(ok(await client.hasCollection({ collection_name: "two" })).value, false);
  ok(await client.createDatabase({ db_name: "node_side", properties: { "database.max.collections": 10 } }));
  const side = ok(await client.describeDatabase({ db_name: "node_side" }));
  assert.deepEqual(side.properties, [{ key: "database.max.collections", value: "10" }]);
  ok(await client.alterDatabase({ db_name: "node_side", properties: { "database.replica.number": 1 } }));
  ok(await client.dropDatabaseProperties({ db_name: "node_side", properties: ["database.replica.number"] }));
  ok(await client.use({ db_name: "node_side" }));
  assert.deepEqual(ok(await client.showCollections()).data, []);
  ok(await client.use({ db_name: "node_collections" }));
  ok(await client.dropDatabase({ db_name: "node_side" }));
  assert.ok(!ok(await client.listDatabases()).db_names.includes("node_side"));
});

test("flush, compaction and what tools such as Attu ask", async () => {
  const where = { collection_name: "upkeep" };
  ok(await client.createCollection({ ...where, dimension: 2 }));
  const data = Array.from({ length: 80 }, (_, i) => ({ id: i, vector: [i, 1] }));
  ok(await client.insert({ ...where, data }));
  ok(await client.flushSync({ collection_names: ["upkeep"] }));
  ok(await client.deleteEntities({ ...where, filter: "id < 10" }));
  const { compactionID } = ok(await client.compact(where));
  assert.equal(ok(await client.getCompactionState({ compactionID })).state, "Completed");
  ok(await client.getCompactionStateWithPlans({ compactionID }));
  assert.equal(ok(await client.getCollectionStatistics(where)).data.row_count, "70");
  assert.equal((await client.count(where)).data, 70);
  const stored = ok(await client.getPersistentSegmentInfo({ collectionName: "upkeep", dbName: "node_collections" }));
  assert.equal(stored.infos.reduce((sum, s) => sum + Number(s.num_rows), 0), 70);
  const loaded = ok(await client.getQuerySegmentInfo({ collectionName: "upkeep", dbName: "node_collections" }));
  assert.equal(loaded.infos.reduce((sum, s) => sum + Number(s.num_rows), 0), 70);
  const { collectionID } = await client.describeCollection(where);
  const { replicas } = ok(await client.getReplicas({ collectionID }));
  assert.equal(replicas[0].collectionID, collectionID);
  const metrics = ok(await client.getMetric({ request: { metric_type: "system_info" } }));
  assert.equal(metrics.response.nodes_info[0].infos.type, "standalone");
  const groups = ok(await client.listResourceGroups());
  assert.deepEqual(groups.resource_groups, ["__default_resource_group"]);
  ok(await client.describeResourceGroup({ resource_group: "__default_resource_group" }));
  if (VERSION < 2.6) return;
  ok(await client.flushAllSync());
  ok(await client.refreshLoad(where));
  const several = ok(await client.batchDescribeCollections({ collection_names: ["upkeep", "quick"] }));
  assert.deepEqual(several.responses.map((r) => r.collection_name), ["upkeep", "quick"]);
  const words = ok(await client.runAnalyzer({ text: "The fox, the dog", analyzer_params: { type: "standard" } }));
  assert.deepEqual(words.results[0].tokens.map((t) => t.token), ["the", "fox", "the", "dog"]);
  if (VERSION < 3) return;
  ok(await client.truncateCollection(where));
  assert.equal((await client.count(where)).data, 0);
});

test("snapshots", since(3), async () => {
  const where = { collection_name: "kept" };
  ok(await client.createCollection({ ...where, dimension: 2 }));
  ok(await client.insert({ ...where, data: [{ id: 1, vector: [1, 0] }] }));
  ok(await client.createSnapshot({ ...where, snapshot_name: "first", description: "one row" }));
  ok(await client.insert({ ...where, data: [{ id: 2, vector: [1, 0] }] }));
  assert.deepEqual(ok(await client.listSnapshots(where)).snapshots, ["first"]);
  assert.equal(ok(await client.describeSnapshot({ ...where, snapshot_name: "first" })).description, "one row");
  const { job_id } = ok(
    await client.restoreSnapshot({ snapshot_name: "first", source_collection_name: "kept", target_collection_name: "again" }),
  );
  let info;
  do {
    ({ info } = ok(await client.getRestoreSnapshotState({ job_id })));
    assert.notEqual(info.state, "RestoreSnapshotFailed", info.reason);
  } while (info.state !== "RestoreSnapshotCompleted");
  ok(await client.loadCollectionSync({ collection_name: "again" }));
  assert.equal((await client.count({ collection_name: "again" })).data, 1);
  ok(await client.dropSnapshot({ ...where, snapshot_name: "first" }));
  assert.deepEqual(ok(await client.listSnapshots(where)).snapshots, []);
});

test("errors by number and text", async () => {
  const where = { collection_name: "absent" };
  const text = /collection not found\[database=node_collections\]\[collection=absent\]/;
  const status = refused(await client.describeCollection(where), 100, text);
  assert.equal(status.error_code, "CollectionNotExists");
  refused(await client.getCollectionStatistics(where), 100, text);
  refused(await client.loadCollectionAsync(where), 100, text);
  refused(await client.listPartitions(where), 100, text);
  ok(await client.dropCollection(where));
  ok(await client.createCollection({ collection_name: "bare", fields: [
    { name: "id", data_type: DataType.Int64, is_primary_key: true },
    { name: "vector", data_type: DataType.FloatVector, dim: 2 },
  ] }));
  const missing = refused(await client.describeIndex({ collection_name: "bare" }), 700, /index not found/);
  assert.equal(missing.error_code, "IndexNotExist");
  refused(await client.query({ collection_name: "bare", filter: "id > 0" }), 101, /collection not loaded/);
  const named = client.createCollection({ collection_name: "1st", dimension: 2 });
  // Before 2.6 it is an Error with the reason, since then the status itself.
  await assert.rejects(named, (error) => /Invalid collection name: 1st/.test(error.reason || error.message));
  refused(await client.describeDatabase({ db_name: "nothing" }), 800, /database not found\[database=nothing\]/);
  const lost = new MilvusClient({ address: URI, database: "nothing", maxRetries: 0 });
  await assert.rejects(async () => {
    await lost.connectPromise;
    ok(await lost.showCollections());
  }, /database not found/);
  await lost.closeConnection();
});

test("the server comes back", async () => {
  const where = { collection_name: "lasting" };
  ok(await client.createCollection({ ...where, dimension: 2 }));
  ok(await client.insert({ ...where, data: [{ id: 1, vector: [1, 0], word: "a" }] }));
  const before = await client.describeCollection(where);
  await restart();
  const found = ok(await client.query({ ...where, filter: "id > 0", output_fields: ["word"] }));
  // The client leaves undeclared fields of a query in the column that they come in.
  assert.deepEqual(found.data, [{ id: "1", $meta: { word: "a" } }]);
  const again = ok(await client.describeCollection(where));
  assert.equal(again.collectionID, before.collectionID);
  assert.deepEqual(again.schema, before.schema);
  ok(await client.insert({ ...where, data: [{ id: 2, vector: [0, 1] }] }));
  assert.equal((await client.count(where)).data, 2);
});
