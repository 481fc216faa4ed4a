// What does a search find, and with which scores?

import { answer } from "./api.js";
import { isVector, primaryOf } from "./collection.js";
import { announce, count, duration, el, failure, labelled, shown } from "./dom.js";
import { columns } from "./rows.js";

export async function searchView(where, known) {
  const fields = searched(known);
  if (!fields.length) return [el("p", { class: "empty" }, "No field of this collection can be searched.")];
  const field = el("select", { id: "field" }, fields.map((one) => el("option", { value: one.name }, one.name)));
  const like = decodeURIComponent(location.hash.split("/")[3] ?? "");
  const mode = el("select", { id: "mode" });
  const query = el("textarea", { id: "query", rows: 2, spellcheck: false, required: true, value: like });
  const filter = el("input", { id: "filter", class: "code", autocomplete: "off", spellcheck: false });
  const limit = el("input", { id: "limit", type: "number", min: 1, max: 200, value: 10, required: true });
  const found = el("div", { class: "found" });
  const hint = el("p", { class: "hint", id: "query-hint" });
  query.setAttribute("aria-describedby", "query-hint");

  function showModes() {
    const modes = modesOf(fields.find((one) => one.name === field.value));
    const kept = modes.find(([key]) => key === mode.value) ? mode.value : modes[0][0];
    mode.replaceChildren(...modes.map(([key, title]) =>
      el("option", { value: key, selected: key === kept }, title)));
    showHint();
  }
  function showHint() {
    const about = fields.find((one) => one.name === field.value);
    hint.textContent = {
      text: "Words, as somebody would ask.",
      vector: vectorHint(about),
      like: `The primary key of a row: ${primaryOf(known).name}.`,
    }[mode.value];
  }
  query.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    query.form.requestSubmit();
  });
  field.addEventListener("change", showModes);
  mode.addEventListener("change", showHint);
  showModes();
  if (like) {
    mode.value = "like";
    showHint();
  }

  async function search() {
    found.setAttribute("aria-busy", "true");
    const began = performance.now();
    try {
      const told = await answer("entities/search", {
        ...where, ...asked(mode.value, query.value), annsField: field.value,
        filter: filter.value.trim(), limit: Number(limit.value), outputFields: ["*"],
      });
      const about = fields.find((one) => one.name === field.value);
      showHits(told.data, about, performance.now() - began);
    } catch (error) {
      found.replaceChildren(failure(error));
    }
    found.removeAttribute("aria-busy");
  }

  function showHits(rows, about, ms) {
    const said = `${count(rows.length, "hit")} in ${duration(ms)}, with the way to the server and back.`;
    const names = columns(rows, known);
    const nearness = (row) => isDistance(about) ? 1 / (1 + row.distance) : Math.abs(row.distance);
    const widest = Math.max(...rows.map(nearness), 0);
    found.replaceChildren(
      el("p", { class: "about" }, said, about.metric ? ` Scores are ${about.metric}; ${better(about)}.` : ""),
      el("ol", { class: "hits" }, rows.map((row) => hit(row, names, widest && nearness(row) / widest))));
    announce(said);
  }

  function hit(row, names, share) {
    const key = primaryOf(known).name;
    const bar = el("i");
    bar.style.width = `${100 * share}%`;
    return el("li", { class: "hit" },
      el("div", { class: "hit-head" },
        el("h3", {}, `${key} ${row[key]}`),
        el("span", { class: "score" }, `score ${Number(row.distance).toPrecision(5)}`)),
      el("div", { class: "bar", "aria-hidden": "true" }, bar),
      el("dl", {}, names.filter((name) => name !== key && row[name] !== undefined).map((name) =>
        [el("dt", {}, name), el("dd", {}, shown(row[name], 600))])));
  }

  const form = el("form", { class: "form", onsubmit: (event) => { event.preventDefault(); search(); } },
    labelled("Field", field), labelled("Search by", mode),
    el("div", { class: "full field" }, el("label", { for: "query" }, "Query"), query, hint),
    el("div", { class: "wide" }, labelled("Filter", filter)), labelled("Hits", limit),
    el("button", { type: "submit", class: "primary" }, "Search"));
  if (like) await search();
  return [form, found];
}

/** Return the fields that can be searched, with what is known of them. */
function searched(known) {
  const texts = new Set((known.functions ?? []).flatMap((one) => one.outputFieldNames));
  const metrics = new Map((known.indexes ?? []).map((one) => [one.fieldName, one.metricType]));
  return known.fields.filter(isVector).map((field) => ({
    name: field.name,
    type: field.type,
    dim: (field.params ?? []).find(({ key }) => key === "dim")?.value,
    takesText: texts.has(field.name),
    metric: metrics.get(field.name) ?? "",
  })).sort((a, b) => Number(b.takesText) - Number(a.takesText));
}

function modesOf(field) {
  const byVector = field.metric !== "BM25";
  return [
    ...(field.takesText ? [["text", "text"]] : []),
    ...(byVector ? [["vector", "a vector"]] : []),
    ["like", "more like a row"],
  ];
}

function vectorHint({ type, dim }) {
  if (type === "SparseFloatVector") return 'Places with their weights, such as {"3": 0.5, "17": 1.2}.';
  if (type === "BinaryVector") return `${count(dim / 8, "number")} from 0 to 255 between brackets, 8 bits each.`;
  return `Numbers between brackets, ${dim} of them.`;
}

function asked(mode, text) {
  if (mode === "text") return { data: [text] };
  if (mode === "like") return { ids: [text.trim()] };
  try {
    const vector = JSON.parse(text);
    return { data: [vector] };
  } catch {
    throw new Error("The query is no JSON: expected a vector, such as [0.1, 0.2, 0.3]");
  }
}

const isDistance = (field) => /(L2|HAMMING|JACCARD)$/.test(field.metric);
const better = (field) => isDistance(field) ? "smaller is nearer" : "larger is nearer";
