// Which rows are there, and which pass a filter?

import { answer, ask } from "./api.js";
import { isVector, primaryOf } from "./collection.js";
import { addressOf, announce, count, el, failure, labelled, shown, table } from "./dom.js";

const PAGE = 25;

export async function rowsView(where, known) {
  const { name: primary, type } = primaryOf(known);
  const filter = el("input", { id: "filter", class: "code", autocomplete: "off", spellcheck: false,
    placeholder: type === "VarChar" ? `${primary} like "a%"` : `${primary} > 0`, "aria-describedby": "filter-hint" });
  const found = el("div", { class: "found" });
  const state = { offset: 0, filter: "" };

  async function load() {
    found.setAttribute("aria-busy", "true");
    try {
      const [page, total] = await Promise.all([
        answer("entities/query", {
          ...where, filter: state.filter, limit: PAGE, offset: state.offset,
          outputFields: ["*"], orderByFields: [`${primary}:asc`],
        }),
        ask("entities/query", { ...where, filter: state.filter, outputFields: ["count(*)"] }),
      ]);
      showPage(page.data, Number(total[0]["count(*)"]));
    } catch (error) {
      found.replaceChildren(failure(error));
    }
    found.removeAttribute("aria-busy");
  }

  function showPage(rows, total) {
    if (!rows.length) {
      const why = state.filter ? "No row passes the filter." : "There are no rows yet.";
      found.replaceChildren(el("p", { class: "empty" }, why));
      announce(why);
      return;
    }
    const names = columns(rows, known);
    const grid = table("Rows", [...names, "similar"], rows.map((row) => [
      ...names.map((name) => shown(row[name])),
      el("a", { href: similar(where, row[primary]) }, "search",
        el("span", { class: "hidden-text" }, ` for rows like ${row[primary]}`)),
    ]));
    grid.classList.add("values");
    const last = state.offset + rows.length;
    const said = `${(state.offset + 1).toLocaleString("en")} to ${last.toLocaleString("en")} of ${count(total, "row")}`;
    found.replaceChildren(grid, el("div", { class: "pager" },
      step("Earlier", -PAGE, state.offset > 0), step("Later", PAGE, last < total), el("span", {}, said)));
    announce(said);
  }

  const step = (title, by, isPossible) => el("button", {
    type: "button", class: "tool", disabled: !isPossible,
    onclick: async () => {
      state.offset = Math.max(0, state.offset + by);
      await load();
      // The button is another one now; who pages by the keyboard stays in the pager.
      const steps = [...found.querySelectorAll(".pager button")];
      (steps.find((one) => one.textContent === title && !one.disabled) ?? steps.find((one) => !one.disabled))?.focus();
    },
  }, title);

  const form = el("form", { class: "form", onsubmit: (event) => {
    event.preventDefault();
    state.offset = 0;
    state.filter = filter.value.trim();
    load();
  } },
  el("div", { class: "wide" }, labelled("Filter", filter,
    "An expression of Milvus, such as price < 10 and source like \"guide%\"")),
  el("button", { type: "submit", class: "primary" }, "Show"));
  await load();
  return [form, found];
}

/** Return the names of columns: declared fields, those without vectors first, then all others. */
export function columns(rows, known) {
  const declared = [...known.fields.filter((f) => !isVector(f)), ...(known.structFields ?? []),
    ...known.fields.filter(isVector)].map((field) => field.name);
  const present = new Set(rows.flatMap((row) => Object.keys(row)));
  const others = [...present].filter((name) => !declared.includes(name) && name !== "distance");
  return [...declared.filter((name) => present.has(name)), ...others];
}

const similar = (where, key) =>
  addressOf(where.dbName, where.collectionName, "search", key);
