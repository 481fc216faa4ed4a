// How is the page put together? Every text becomes a text node; nothing is ever parsed as markup.

export const byId = (id) => document.getElementById(id);

/** Return an element. `props` sets properties; `data-` and `aria-` names and `class` attributes. */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class" || name === "for" || name === "role" || /^(data|aria)-/.test(name)) {
      made.setAttribute(name, value === true ? "" : value);
    } else {
      made[name] = value;
    }
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

export const count = (number, noun) =>
  `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/** Return milliseconds as a person says them. */
export function duration(ms) {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(1)} s`;
}
