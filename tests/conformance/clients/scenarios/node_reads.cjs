// Searches and queries over the chunks of a library, held against plain loops.
const { after, before, test } = require("node:test");
const { DataType, FunctionType, RRFRanker, WeightedRanker, HighlightType } = require("@zilliz/milvus2-sdk-node");
const { assert, connected, near, ok, refused, since, VERSION } = require("./node_support.cjs");

const TOPICS = ["whale", "fox", "glacier", "volcano", "comet"];
// Numbers that look random and are the same in every run.
const noise = (i) => Math.fround(Math.sin(i * 12.9898) * 2);
const ROWS = Array.from({ length: 300 }, (_, i) => ({
  id: i,
  dense: Array.from({ length: 8 }, (__, k) => noise(i * 8 + k + 1)),
  text: `a note on the ${TOPICS[i % 5]}` + " and the comet".repeat(i % 3),
  year: 1990 + (i % 30),
  source: `book-${i % 9}`,
  meta: { page: i % 11, lang: ["en", "de"][i % 2] },
  loose: i % 6,
}));
const QUERY = ROWS[7].dense.map((x) => Math.fround(x + 0.05));
const DISTANCES = ROWS.map((row) => row.dense.reduce((sum, x, k) => sum + (x - QUERY[k]) ** 2, 0));
const WHERE = { collection_name: "chunks" };

function nearest(holds = () => true) {
  return ROWS.filter(holds)
    .map((row) => row.id)
    .sort((a, b) => DISTANCES[a] - DISTANCES[b]);
}
const ids = (rows) => rows.map((row) => Number(row.id));

let client;
before(async () => {
  client = await connected("node_reads");
  ok(
    await client.createCollection({
      ...WHERE,
      enable_dynamic_field: true,
      fields: [
        { name: "id", data_type: DataType.Int64, is_primary_key: true },
        { name: "dense", data_type: DataType.FloatVector, dim: 8 },
        { name: "text", data_type: DataType.VarChar, max_length: 500, enable_analyzer: true },
        { name: "year", data_type: DataType.Int64 },
        { name: "source", data_type: DataType.VarChar, max_length: 20 },
        { name: "meta", data_type: DataType.JSON },
        { name: "words", data_type: DataType.SparseFloatVector },
      ],
      functions: [
        { name: "bm25", type: FunctionType.BM25, input_field_names: ["text"], output_field_names: ["words"], params: {} },
      ],
      index_params: [
        { field_name: "dense", index_type: "HNSW", metric_type: "L2", params: { M: 16, efConstruction: 100 } },
        { field_name: "words", index_type: "SPARSE_INVERTED_INDEX", metric_type: "BM25" },
      ],
    }),
  );
  ok(await client.insert({ ...WHERE, data: ROWS.slice(0, 200) }));
  ok(await client.flushSync({ collection_names: ["chunks"] }));
  ok(await client.insert({ ...WHERE, data: ROWS.slice(200) }));
});
after(async () => {
  await client.closeConnection();
});

const search = async (options) =>
  ok(await client.search({ ...WHERE, anns_field: "dense", data: QUERY, limit: 5, output_fields: ["id"], ...options })).results;

test("filters and templates", async () => {
  const filters = {
    "year >= 2010 and year < 2015": (r) => r.year >= 2010 && r.year < 2015,
    'source in ["book-1", "book-2"]': (r) => ["book-1", "book-2"].includes(r.source),
    'meta["page"] > 8': (r) => r.meta.page > 8,
    'meta["lang"] == "de" or loose == 3': (r) => r.meta.lang === "de" || r.loose === 3,
    "not (year > 1995)": (r) => r.year <= 1995,
  };
  for (const [filter, holds] of Object.entries(filters)) {
    const hits = await search({ filter });
    assert.deepEqual(ids(hits), nearest(holds).slice(0, 5));
    near(hits.map((hit) => hit.score), ids(hits).map((id) => DISTANCES[id]));
    const rows = ok(await client.query({ ...WHERE, filter, output_fields: ["year"] })).data;
    assert.deepEqual(ids(rows), ROWS.filter(holds).map((row) => row.id));
    assert.equal((await client.count({ ...WHERE, expr: filter })).data, rows.length);
  }
  const hits = await search({ filter: "year > {low} and source in {sources}", exprValues: { low: 2005, sources: ["book-3"] } });
  assert.deepEqual(ids(hits), nearest((r) => r.year > 2005 && r.source === "book-3").slice(0, 5));
});

test("what comes back, pages and many queries at once", async () => {
  const [hit] = await search({ limit: 1, output_fields: ["*"] });
  const best = ROWS[nearest()[0]];
  assert.equal(hit.text, best.text);
  assert.deepEqual(hit.meta, best.meta);
  assert.deepEqual(hit.dense, best.dense);
  assert.deepEqual(hit.$meta, { loose: best.loose });
  const [loose] = await search({ limit: 1, output_fields: ["loose"] });
  assert.equal(loose.loose, best.loose);
  assert.deepEqual(ids(await search({ offset: 5 })), nearest().slice(5, 10));
  const both = await search({ data: [ROWS[1].dense, ROWS[2].dense], limit: 1 });
  assert.deepEqual(both.map(ids), [[1], [2]]);
  const page = ok(await client.query({ ...WHERE, filter: "id >= 0", limit: 3, offset: 10, output_fields: ["id"] })).data;
  assert.deepEqual(ids(page), [10, 11, 12]);
  const by = ok(await client.get({ ...WHERE, ids: [5, 1], output_fields: ["id"] })).data;
  assert.deepEqual(ids(by), [1, 5]);
});

test("ranges and groups", async () => {
  const order = nearest();
  const inside = await search({ limit: 50, params: { radius: DISTANCES[order[20]] + 1e-3, range_filter: 0, ef: 200 } });
  assert.deepEqual(new Set(ids(inside)), new Set(order.slice(0, 21)));
  const grouped = await search({ limit: 4, group_by_field: "source", output_fields: ["id", "source"] });
  const best = [];
  for (const id of order) if (!best.some((other) => ROWS[other].source === ROWS[id].source)) best.push(id);
  assert.deepEqual(ids(grouped), best.slice(0, 4));
});

test("order, and searches by key", since(3), async () => {
  const order = nearest();
  const ordered = await search({ limit: 8, order_by_fields: [{ field: "year", order: "desc" }], output_fields: ["id", "year"] });
  assert.deepEqual(new Set(ids(ordered)), new Set(order.slice(0, 8)));
  const years = ordered.map((hit) => Number(hit.year));
  assert.deepEqual(years, [...years].sort((a, b) => b - a));
  const stored = await search({ data: undefined, ids: [7], limit: 1 });
  assert.deepEqual(ids(stored.flat()), [7]);
});

test("full text", async () => {
  const asked = { ...WHERE, anns_field: "words", data: "glacier", limit: 5, output_fields: ["id", "text"] };
  const hits = ok(await client.search(asked)).results;
  assert.ok(hits.every((hit) => hit.text.includes("glacier")));
  // Shorter texts with the word come first: those without further words.
  assert.deepEqual(hits.map((hit) => hit.text), Array(5).fill("a note on the glacier"));
  if (VERSION < 2.6) return;
  const highlighter = { type: HighlightType.Lexical, pre_tags: ["<b>"], post_tags: ["</b>"] };
  const [marked] = ok(await client.search({ ...asked, highlighter })).results;
  assert.match(marked.highlight.text.fragments[0], /<b>glacier<\/b>/);
});

test("hybrid searches and rankers", async () => {
  const data = [
    { anns_field: "dense", data: QUERY, expr: "year > 2000" },
    { anns_field: "words", data: "volcano" },
  ];
  const legs = [
    await search({ limit: 20, filter: "year > 2000" }),
    ok(await client.search({ ...WHERE, anns_field: "words", data: "volcano", limit: 20, output_fields: ["id"] })).results,
  ];
  const fused = new Map();
  for (const hits of legs) ids(hits).forEach((id, rank) => fused.set(id, (fused.get(id) || 0) + 1 / (60 + rank + 1)));
  const hybrid = async (rerank) =>
    ok(await client.hybridSearch({ ...WHERE, data, rerank, limit: 20, output_fields: ["id"] })).results;
  const wanted = [...fused.values()].sort((a, b) => b - a).slice(0, 20);
  near((await hybrid(RRFRanker(60))).map((hit) => hit.score), wanted);
  for (const hit of await hybrid(RRFRanker(60))) near([hit.score], [fused.get(Number(hit.id))]);
  const weighted = await hybrid(WeightedRanker([1, 0]));
  assert.deepEqual(ids(weighted).slice(0, 5), ids(legs[0]).slice(0, 5));
  if (VERSION < 2.6) return;
  const boost = { name: "old", type: FunctionType.RERANK, input_field_names: [], params: { reranker: "boost", filter: "year < 2000", weight: 0.5 } };
  for (const hit of await search({ rerank: boost })) {
    const id = Number(hit.id);
    near([hit.score], [DISTANCES[id] * (ROWS[id].year < 2000 ? 0.5 : 1)]);
  }
  const decay = {
    name: "recent",
    type: FunctionType.RERANK,
    input_field_names: ["year"],
    params: { reranker: "decay", function: "exp", origin: 2019, scale: 10, offset: 0, decay: 0.5 },
  };
  for (const hit of await search({ rerank: decay })) {
    const id = Number(hit.id);
    const score = 1 - (2 * Math.atan(DISTANCES[id])) / Math.PI;
    near([hit.score], [score * 0.5 ** (Math.abs(ROWS[id].year - 2019) / 10)], 1e-3);
  }
});

test("iterators", async () => {
  const rows = [];
  const queried = await client.queryIterator({ ...WHERE, expr: "year < 2010", batchSize: 37, output_fields: ["id"] });
  for await (const page of queried) {
    assert.ok(page.length <= 37);
    rows.push(...ids(page));
  }
  assert.deepEqual(rows, ROWS.filter((row) => row.year < 2010).map((row) => row.id));
  const found = [];
  const searched = await client.searchIterator({ ...WHERE, anns_field: "dense", data: QUERY, filter: "year < 2010", batchSize: 37, output_fields: ["id"] });
  for await (const page of searched) found.push(...ids(page));
  assert.deepEqual(found, nearest((row) => row.year < 2010));
});

test("aggregates", since(3), async () => {
  const groups = ok(
    await client.query({ ...WHERE, filter: "year >= 2000", group_by_fields: ["source"], output_fields: ["source", "count(*)", "max(year)"] }),
  ).data;
  assert.equal(groups.length, 9);
  for (const row of groups) {
    const own = ROWS.filter((r) => r.source === row.source && r.year >= 2000);
    assert.equal(Number(row["count(*)"]), own.length);
    assert.equal(Number(row["max(year)"]), Math.max(...own.map((r) => r.year)));
  }
});

test("wrong searches say what is wrong", async () => {
  const asked = { ...WHERE, anns_field: "dense", data: QUERY, limit: 3, output_fields: ["id"] };
  refused(await client.search({ ...asked, filter: "year >" }), 1100, /failed to create query plan: cannot parse expression/);
  refused(await client.search({ ...asked, limit: 20_000 }), 1100, /16384/);
  refused(await client.search({ ...asked, data: [1, 2] }), 1100, /dim/);
  refused(await client.search({ ...asked, metric_type: "IP" }), 1100, /metric type not match/);
  refused(await client.search({ ...asked, output_fields: ["words"] }), 1100, /not allowed to retrieve raw data of field words/);
  refused(await client.search({ ...asked, partition_names: ["absent"] }), 1100, /partition name absent not found/);
});
