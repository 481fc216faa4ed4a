// Every data type that the Node client knows, every way to write, users and TLS.
const { after, before, test } = require("node:test");
const { DataType, MilvusClient } = require("@zilliz/milvus2-sdk-node");
const { assert, connected, near, ok, refused, since, VERSION } = require("./node_support.cjs");

let client;
before(async () => {
  client = await connected("node_data");
});
after(async () => {
  await client.closeConnection();
});

const KEY = { name: "id", data_type: DataType.Int64, is_primary_key: true };

async function made(name, fields, indexes, options = {}) {
  ok(
    await client.createCollection({
      collection_name: name,
      fields: [KEY, ...fields],
      index_params: indexes,
      ...options,
    }),
  );
  return { collection_name: name };
}

const VECTOR = { name: "vector", data_type: DataType.FloatVector, dim: 2 };
const FLAT = { field_name: "vector", index_type: "FLAT", metric_type: "L2" };

const SCALARS = {
  bool: [{ data_type: DataType.Bool }, [true, false]],
  int8: [{ data_type: DataType.Int8 }, [-128, 127]],
  int16: [{ data_type: DataType.Int16 }, [-32768, 32767]],
  int32: [{ data_type: DataType.Int32 }, [-2147483648, 2147483647]],
  // 64 bits come as texts: numbers of JavaScript do not hold them.
  int64: [{ data_type: DataType.Int64 }, ["-9007199254740993", "9223372036854775807"]],
  float: [{ data_type: DataType.Float }, [0.5, -1.25]],
  double: [{ data_type: DataType.Double }, [0.1, -1e300]],
  varchar: [{ data_type: DataType.VarChar, max_length: 40 }, ["", "Grüße, 世界 🦊"]],
  json: [{ data_type: DataType.JSON }, [{ a: [1, { b: null }] }, { c: "x" }]],
  bools: [{ data_type: DataType.Array, element_type: DataType.Bool, max_capacity: 4 }, [[true, false], []]],
  int32s: [{ data_type: DataType.Array, element_type: DataType.Int32, max_capacity: 4 }, [[1, -2], []]],
  doubles: [{ data_type: DataType.Array, element_type: DataType.Double, max_capacity: 4 }, [[0.1], [0.2, 0.3]]],
  texts: [{ data_type: DataType.Array, element_type: DataType.VarChar, max_capacity: 4, max_length: 9 }, [["a", "é"], []]],
};

for (const nullable of [false, true]) {
  test(`every scalar comes back, nullable ${nullable}`, async () => {
    const fields = Object.entries(SCALARS).map(([name, [field]]) => ({ name, ...field, nullable }));
    const where = await made(`scalars_${nullable}`, [VECTOR, ...fields], [FLAT]);
    const names = Object.keys(SCALARS);
    const data = [0, 1].map((i) => ({
      id: i,
      vector: [i, 1],
      ...Object.fromEntries(names.map((name) => [name, SCALARS[name][1][i]])),
    }));
    if (nullable) {
      data.push({ id: 2, vector: [2, 1], ...Object.fromEntries(names.map((name) => [name, null])) });
      data.push({ id: 3, vector: [3, 1] });
    }
    const answer = ok(await client.insert({ ...where, data }));
    assert.equal(answer.insert_cnt, String(data.length));
    assert.deepEqual(answer.IDs.int_id.data, data.map((row) => String(row.id)));
    const wanted = data.map((row) => ({
      id: String(row.id),
      ...Object.fromEntries(names.map((name) => [name, row[name] === undefined ? null : row[name]])),
    }));
    const found = ok(await client.query({ ...where, filter: "id >= 0", output_fields: names }));
    assert.deepEqual(found.data.map((row) => ({ ...row })), wanted);
    const got = ok(await client.get({ ...where, ids: [0, 1], output_fields: names }));
    assert.deepEqual(got.data.map((row) => ({ ...row })), wanted.slice(0, 2));
    const hits = ok(await client.search({ ...where, data: [0, 1], limit: 4, output_fields: ["id", ...names] })).results;
    assert.deepEqual(hits.map(({ score, ...row }) => row), wanted);
  });
}

test("vectors of every kind", async () => {
  const where = await made(
    "vectors",
    [
      { name: "float", data_type: DataType.FloatVector, dim: 4 },
      { name: "half", data_type: DataType.Float16Vector, dim: 4 },
      { name: "brain", data_type: DataType.BFloat16Vector, dim: 4 },
      { name: "sparse", data_type: DataType.SparseFloatVector },
    ],
    [
      { field_name: "float", index_type: "HNSW", metric_type: "COSINE", params: { M: 8, efConstruction: 64 } },
      { field_name: "half", index_type: "FLAT", metric_type: "L2" },
      { field_name: "brain", index_type: "FLAT", metric_type: "IP" },
      { field_name: "sparse", index_type: "SPARSE_INVERTED_INDEX", metric_type: "IP" },
    ],
  );
  const data = [
    { id: 1, float: [1, 0, 0, 0], half: [1, 2, 3, 4], brain: [1, 2, 3, 4], sparse: { 1: 0.5, 9: 1 } },
    { id: 2, float: [0, 1, 0, 0], half: [4, 3, 2, 1], brain: [0, 0, 0, 1], sparse: { 7: 2 } },
    { id: 3, float: [1, 1, 0, 0], half: [0, 0, 0, 0], brain: [2, 0, 0, 0], sparse: { 1: 2, 7: 0.25 } },
  ];
  ok(await client.insert({ ...where, data }));
  const found = ok(await client.query({ ...where, filter: "id > 0", output_fields: ["float", "half", "brain", "sparse"] }));
  assert.deepEqual(found.data.map((row) => ({ ...row, id: Number(row.id) })), data);
  const ranked = {
    float: [[1, 0, 0, 0], [1, 3, 2], [1, Math.SQRT1_2, 0]],
    half: [[1, 2, 3, 4], [1, 2, 3], [0, 20, 30]],
    brain: [[1, 0, 0, 1], [1, 3, 2], [5, 2, 1]],
    sparse: [{ 1: 1, 7: 1 }, [3, 2, 1], [2.25, 2, 0.5]],
  };
  for (const [anns_field, [vector, ids, scores]] of Object.entries(ranked)) {
    const { results } = ok(await client.search({ ...where, anns_field, data: vector, limit: 3 }));
    assert.deepEqual(results.map((hit) => Number(hit.id)), ids, anns_field);
    near(results.map((hit) => hit.score), scores);
  }
});

test("bits and bytes", since(2.6), async () => {
  const where = await made(
    "bits",
    [
      { name: "bits", data_type: DataType.BinaryVector, dim: 16 },
      { name: "bytes", data_type: DataType.Int8Vector, dim: 4 },
    ],
    [
      { field_name: "bits", index_type: "BIN_FLAT", metric_type: "HAMMING" },
      { field_name: "bytes", index_type: "HNSW", metric_type: "L2", params: { M: 8, efConstruction: 64 } },
    ],
  );
  const data = [
    { id: 1, bits: [0x0f, 0x00], bytes: Int8Array.from([1, 2, 3, 4]) },
    { id: 2, bits: [0x0f, 0x01], bytes: Int8Array.from([-128, 0, 0, 127]) },
    { id: 3, bits: [0xf0, 0xff], bytes: Int8Array.from([1, 2, 3, 6]) },
  ];
  ok(await client.insert({ ...where, data }));
  const near1 = ok(await client.search({ ...where, anns_field: "bits", data: [0x0f, 0x00], limit: 3 })).results;
  assert.deepEqual(near1.map((hit) => [Number(hit.id), hit.score]), [[1, 0], [2, 1], [3, 16]]);
  const near2 = ok(await client.search({ ...where, anns_field: "bytes", data: Int8Array.from([1, 2, 3, 4]), limit: 2 })).results;
  assert.deepEqual(near2.map((hit) => [Number(hit.id), hit.score]), [[1, 0], [3, 4]]);
  const got = ok(await client.get({ ...where, ids: [2], output_fields: ["bits", "bytes"] })).data[0];
  assert.deepEqual([...got.bits], [0x0f, 0x01]);
  // Before 3.0 it is a Buffer.
  assert.deepEqual([...new Int8Array(got.bytes)], [-128, 0, 0, 127]);
});

test("moments and places", since(2.6), async () => {
  const where = await made(
    "where",
    [
      VECTOR,
      { name: "at", data_type: DataType.Timestamptz, nullable: true },
      { name: "place", data_type: DataType.Geometry, nullable: true },
    ],
    [FLAT],
  );
  ok(
    await client.insert({
      ...where,
      data: [
        { id: 1, vector: [1, 0], at: "2024-02-29T12:00:00Z", place: "POINT (1 2)" },
        { id: 2, vector: [2, 0], at: "2025-01-01T00:00:00Z", place: "POINT (9 9)" },
        { id: 3, vector: [3, 0], at: null, place: null },
      ],
    }),
  );
  const found = ok(await client.query({ ...where, filter: "id > 0", output_fields: ["at", "place"] })).data;
  assert.deepEqual(found.map((row) => row.place), ["POINT (1 2)", "POINT (9 9)", null]);
  assert.deepEqual(found.map((row) => row.at), ["2024-02-29T12:00:00Z", "2025-01-01T00:00:00Z", null]);
  for (const [filter, ids] of [
    ["at > ISO '2024-06-01T00:00:00Z'", ["2"]],
    ["ST_WITHIN(place, 'POLYGON ((0 0, 5 0, 5 5, 0 5, 0 0))')", ["1"]],
  ]) {
    const rows = ok(await client.query({ ...where, filter, output_fields: ["id"] })).data;
    assert.deepEqual(rows.map((row) => row.id), ids);
  }
});

test("structs and lists of vectors", since(2.6), async () => {
  const where = await made(
    "structs",
    [
      VECTOR,
      {
        name: "chunks",
        data_type: DataType.Array,
        element_type: DataType.Struct,
        max_capacity: 5,
        fields: [
          { name: "text", data_type: DataType.VarChar, max_length: 50 },
          { name: "page", data_type: DataType.Int32 },
          { name: "part", data_type: DataType.FloatVector, dim: 2 },
        ],
      },
    ],
    [FLAT, { field_name: "chunks[part]", index_type: "HNSW", metric_type: "MAX_SIM_IP", params: { M: 8, efConstruction: 64 } }],
  );
  const data = [
    { id: 1, vector: [1, 0], chunks: [{ text: "a", page: 1, part: [1, 0] }, { text: "b", page: 2, part: [0, 1] }] },
    { id: 2, vector: [2, 0], chunks: [{ text: "c", page: 3, part: [2, 0] }] },
  ];
  ok(await client.insert({ ...where, data }));
  const found = ok(await client.query({ ...where, filter: "id > 0", output_fields: ["chunks"] })).data;
  assert.deepEqual(found.map((row) => row.chunks), data.map((row) => row.chunks));
  // The best part for each vector of the query: 1 + 3, and 2 + 0.
  const { results } = ok(
    await client.search({ ...where, anns_field: "chunks[part]", data: [[1, 0], [0, 3]], limit: 2, metric_type: "MAX_SIM_IP" }),
  );
  assert.deepEqual(results.map((hit) => [Number(hit.id), hit.score]), [[1, 4], [2, 2]]);
});

test("undeclared fields, defaults, upserts and deletes", async () => {
  const where = await made(
    "changed",
    [VECTOR, { name: "word", data_type: DataType.VarChar, max_length: 9, default_value: "none" }, { name: "count", data_type: DataType.Int64, nullable: true }],
    [FLAT],
    { enable_dynamic_field: true },
  );
  ok(await client.insert({ ...where, data: [0, 1, 2, 3].map((i) => ({ id: i, vector: [i, 1], x: i })) }));
  const { results } = ok(await client.search({ ...where, data: [2, 1], limit: 1, filter: "x < 2", output_fields: ["id", "word", "x"] }));
  assert.deepEqual(results, [{ score: 1, id: "1", word: "none", x: 1 }]);
  const answer = ok(await client.upsert({ ...where, data: [{ id: 1, vector: [9, 9], word: "b" }] }));
  assert.equal(answer.upsert_cnt, "1");
  const partial = VERSION >= 2.6;
  const field_ops = [{ field_name: "count", op: "REPLACE" }];
  if (partial) ok(await client.upsert({ ...where, data: [{ id: 2, count: 5 }], partial_update: true, field_ops }));
  const rows = ok(await client.query({ ...where, filter: "id in [1, 2]", output_fields: ["*"] })).data;
  assert.deepEqual(rows.map((row) => ({ ...row })), [
    { id: "1", vector: [9, 9], word: "b", count: null, $meta: {} },
    { id: "2", vector: [2, 1], word: "none", count: partial ? "5" : null, $meta: { x: 2 } },
  ]);
  assert.equal(ok(await client.delete({ ...where, ids: [0] })).delete_cnt, "1");
  assert.equal(ok(await client.deleteEntities({ ...where, filter: "x == {x}", exprValues: { x: 3 } })).delete_cnt, "1");
  const left = ok(await client.query({ ...where, filter: "id >= 0", output_fields: ["id"] })).data;
  assert.deepEqual(left.map((row) => row.id), ["1", "2"]);
  refused(await client.deleteEntities({ ...where, filter: "nonsense >" }), 1100, /cannot parse expression/);
});

test("users, roles and grants over TLS", async () => {
  const address = process.env.ELANUS_SECURED_URI.replace("https://", "");
  const tls = { rootCertPath: process.env.ELANUS_CERTIFICATE };
  const as = (username, password) => new MilvusClient({ address, ssl: true, username, password, tls, maxRetries: 0, retryDelay: 1 });
  const root = as("root", process.env.ELANUS_ROOT_PASSWORD);
  await root.connectPromise;
  const where = { collection_name: "node_shelf" };
  ok(await root.createCollection({ ...where, dimension: 2 }));
  ok(await root.insert({ ...where, data: [{ id: 1, vector: [1, 0] }] }));
  ok(await root.createUser({ username: "noder", password: "Secret-1" }));
  ok(await root.createRole({ roleName: "nodes" }));
  assert.equal((await root.hasRole({ roleName: "nodes" })).hasRole, true);
  ok(await root.addUserToRole({ username: "noder", roleName: "nodes" }));
  const user = as("noder", "Secret-1");
  const asked = { ...where, filter: "id > 0", output_fields: ["id"] };
  await assert.rejects(async () => ok(await user.query(asked)), /permission deny/);
  ok(await root.grantPrivilege({ roleName: "nodes", object: "Collection", objectName: "node_shelf", privilegeName: "Query" }));
  assert.deepEqual(ok(await user.query(asked)).data, [{ id: "1" }]);
  ok(await root.grantPrivilegeV2({ role: "nodes", privilege: "Insert", db_name: "default", collection_name: "node_shelf" }));
  ok(await user.insert({ ...where, data: [{ id: 2, vector: [1, 0] }] }));
  const { entities } = ok(await root.listGrants({ roleName: "nodes" }));
  assert.deepEqual(entities.map((e) => e.grantor.privilege.name).sort(), ["Insert", "Query"]);
  assert.deepEqual(ok(await root.describeUser({ username: "noder", includeRoleInfo: true })).results[0].roles.map((r) => r.name), ["nodes"]);
  ok(await root.updateUser({ username: "noder", oldPassword: "Secret-1", newPassword: "Secret-2" }));
  assert.ok(ok(await root.listUsers()).usernames.includes("noder"));
  ok(await root.createPrivilegeGroup({ group_name: "node_group" }));
  ok(await root.addPrivilegesToGroup({ group_name: "node_group", privileges: ["Search"] }));
  const { privilege_groups } = ok(await root.listPrivilegeGroups());
  assert.deepEqual(privilege_groups.find((g) => g.group_name === "node_group").privileges.map((p) => p.name), ["Search"]);
  ok(await root.dropPrivilegeGroup({ group_name: "node_group" }));
  ok(await root.revokePrivilege({ roleName: "nodes", object: "Collection", objectName: "node_shelf", privilegeName: "Query" }));
  ok(await root.revokePrivilegeV2({ role: "nodes", privilege: "Insert", db_name: "default", collection_name: "node_shelf" }));
  ok(await root.removeUserFromRole({ username: "noder", roleName: "nodes" }));
  ok(await root.deleteUser({ username: "noder" }));
  ok(await root.dropRole({ roleName: "nodes" }));
  const wrong = as("root", "wrong");
  await assert.rejects(wrong.connectPromise, /auth check failure/);
  for (const one of [root, user]) await one.closeConnection();
});
