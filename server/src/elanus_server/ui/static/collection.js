// What is a collection: its fields, indexes, partitions and whether it is loaded?

import { ask, askOr } from "./api.js";
import { addressOf, count, el, failure, table } from "./dom.js";
import { rowsView } from "./rows.js";
import { searchView } from "./search.js";

const tabs = { overview: ["Overview", overview], rows: ["Rows", rowsView], search: ["Search", searchView] };

/** Collections whose rows are counted for the list. */
const COUNTED = 100;

/** Return the collections of a database with a note for each: its rows, where they are known. */
export async function listed(database) {
  const names = await ask("collections/list", { dbName: database });
  return Promise.all(names.map(async (name, place) => {
    if (place >= COUNTED) return { name, note: "" };
    const where = { dbName: database, collectionName: name };
    const stats = await askOr(null, "collections/get_stats", where);
    return { name, note: stats ? Number(stats.rowCount).toLocaleString("en") : "" };
  }));
}

export async function collectionView(database, name, tab) {
  const where = { dbName: database, collectionName: name };
  const [known, stats] = await Promise.all([
    ask("collections/describe", where), askOr(null, "collections/get_stats", where),
  ]);
  if (!tabs[tab]) tab = "overview";
  let [, make] = tabs[tab];
  const isLoaded = known.load === "LoadStateLoaded";
  const load = async (event) => {
    try {
      await ask("collections/load", where);
      dispatchEvent(new HashChangeEvent("hashchange"));
    } catch (error) {
      event.target.replaceWith(failure(error));
    }
  };
  if (!isLoaded && tab !== "overview") {
    make = async () => [el("p", { class: "empty" }, "Rows are read and searched once the collection is loaded.")];
  }
  return [
    el("div", { class: "title" },
      el("h2", {}, name),
      el("span", { class: `state ${isLoaded ? "good" : ""}` }, isLoaded ? "loaded" : "not loaded"),
      stats ? el("span", { class: "about" }, count(stats.rowCount, "row")) : null,
      isLoaded ? null : el("button", { type: "button", class: "tool", onclick: load }, "Load")),
    known.description ? el("p", { class: "about" }, known.description) : "",
    el("nav", { class: "tabs", "aria-label": "Views of the collection" },
      Object.entries(tabs).map(([key, [title]]) => el("a", {
        href: addressOf(database, name, key), "aria-current": key === tab && "page",
      }, title))),
    ...(await make(where, known)),
  ];
}

async function overview(where, known) {
  const [indexes, partitions, aliases] = await Promise.all([
    indexesOf(where), askOr([], "partitions/list", where), askOr([], "aliases/list", where),
  ]);
  const properties = (known.properties ?? []).map(({ key, value }) => [key, value]);
  return [
    part("Fields", table("Fields", ["field", "type", "settings", "filled by"], fieldsOf(known))),
    part("Indexes", indexes.length
      ? table("Indexes", ["index", "field", "type", "metric", "settings", "rows"], indexes)
      : el("p", { class: "about" }, "There is none: searches scan.")),
    part("Facts", el("dl", { class: "figures" },
      fact("Undeclared fields", known.enableDynamicField ? "allowed" : "refused"),
      fact("Consistency", known.consistencyLevel),
      fact("Partitions", partitions.join(", ") || "not told"),
      fact("Aliases", aliases.join(", ") || "none"))),
    properties.length
      ? part("Properties", table("Properties", ["property", "value"], properties))
      : "",
  ];
}

const part = (title, ...content) => el("section", { class: "part" }, el("h3", {}, title), content);
export const fact = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value)));

function fieldsOf(known) {
  const sources = new Map((known.functions ?? []).flatMap((one) =>
    one.outputFieldNames.map((name) => [name, `${one.name} (${one.inputFieldNames.join(", ")})`])));
  const structs = (known.structFields ?? []).flatMap((one) => [
    { name: one.name, type: "Array of structs" },
    ...(one.fields ?? []).map((inner) => ({ ...inner, name: `${one.name}[${inner.name}]` })),
  ]);
  return [...known.fields, ...structs].map((field) => [
    field.name,
    field.type,
    settings(field),
    sources.get(field.name) ?? "",
  ]);
}

function settings(field) {
  const flags = { primaryKey: "primary key", autoId: "made by the server", partitionKey: "partition key",
    clusteringKey: "clustering key", nullable: "may be null" };
  const said = Object.keys(flags).filter((name) => field[name]).map((name) => flags[name]);
  return [...said, ...pairs(field.params)].join(", ");
}

const pairs = (params = []) => params.map(({ key, value }) => `${key} ${value}`);

async function indexesOf(where) {
  const names = await askOr([], "indexes/list", where);
  const found = await Promise.all(names.map((indexName) =>
    ask("indexes/describe", { ...where, indexName })));
  return found.flat().map((one) => [
    one.indexName,
    one.fieldName,
    one.indexType,
    one.metricType ?? "",
    pairs(one.params.filter(({ key }) => !["index_type", "metric_type"].includes(key))).join(", "),
    `${Number(one.indexedRows).toLocaleString("en")} of ${Number(one.totalRows).toLocaleString("en")}`,
  ]);
}

/** Return the primary key of a collection. */
export const primaryOf = (known) => known.fields.find((field) => field.primaryKey);

/** Whether a field holds vectors. */
export const isVector = (field) => /Vector$/.test(field.type);
