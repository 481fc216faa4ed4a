// How is the page put together? Every text becomes a text node; nothing is ever parsed as markup.

export const byId = (id) => document.getElementById(id);

/** Return an element. `props` sets properties; `data-` and `aria-` names and some attributes. */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (/^(class|for|role|scope)$/.test(name) || /^(data|aria)-/.test(name)) {
      made.setAttribute(name, value === true ? "" : value);
    } else {
      made[name] = value;
    }
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

/** Return the address of a view: a database, a collection of it, a tab, a row. */
export const addressOf = (...parts) => `#${parts.map(encodeURIComponent).join("/")}`;

export const count = (number, noun) =>
  `${Number(number).toLocaleString("en")} ${noun}${Number(number) === 1 ? "" : "s"}`;

/** Return bytes as a person says them. */
export function size(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let place = 0;
  for (; bytes >= 1024 && place < units.length - 1; place++) bytes /= 1024;
  return `${place && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes).toLocaleString("en")} ${units[place]}`;
}

/** Return milliseconds as a person says them. */
export function duration(ms) {
  if (ms === null) return "";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Return a table; `rows` are lists of nodes or texts, and the first cell of each is its head. */
export function table(caption, heads, rows) {
  const cell = (content, place) =>
    place === 0 ? el("th", { scope: "row" }, content) : el("td", {}, content);
  return el("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": caption },
    el("table", {},
      el("caption", { class: "hidden-text" }, caption),
      el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map(cell))))));
}

/** Return a field of a form with its label. */
export function labelled(text, control, hint) {
  return el("div", { class: "field" },
    el("label", { for: control.id }, text), control,
    hint ? el("p", { class: "hint", id: `${control.id}-hint` }, hint) : null);
}

/** Characters from which a text wants a column of some width. */
const LONG = 60;

/** Return a value of a row as what fits a cell. */
export function shown(value, longest = 160) {
  if (value === null || value === undefined) return el("span", { class: "null" }, "null");
  let text = typeof value === "string" ? value : JSON.stringify(value);
  if (Array.isArray(value) && value.length && value.every((one) => typeof one === "number")) {
    const first = value.slice(0, 6).map((one) => +one.toPrecision(4)).join(", ");
    text = value.length > 6 ? `[${first}, … ${value.length} numbers]` : `[${first}]`;
  }
  if (text.length > longest) text = `${text.slice(0, longest)}…`;
  return text.length > LONG ? el("div", { class: "long" }, text) : text;
}

/** Say something to those who hear the page. */
export function announce(text) {
  byId("status").textContent = text;
}

export const failure = (error) => el("p", { class: "failure", role: "alert" }, error.message);
