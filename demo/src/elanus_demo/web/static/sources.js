// What does a passage look like, and why was it found?

import { count, duration, el } from "./dom.js";

const LEGS = {
  dense: { name: "Meaning", measure: "cosine", means: "similar vectors" },
  bm25: { name: "Words", measure: "BM25", means: "shared words" },
};

/** Return the cards of what a question found. */
export function renderCards(found) {
  const best = Math.max(...found.passages.map((passage) => passage.fused), 0);
  return found.passages.map((passage) => card(passage, best));
}

/** Return how long the search took, in words. */
export function describeSearch(found) {
  const searched = count(found.num_searched, "passage");
  const embedded = `${duration(found.embed_ms)} to embed the question`;
  return `${searched} searched in ${duration(found.search_ms)}, ${embedded}`;
}

function card(passage, best) {
  const text = el("blockquote", { class: "passage clamped" }, pieces(passage.text));
  const more = el("button", { type: "button", class: "more", "aria-expanded": "false", hidden: true });
  more.textContent = "Show the whole passage";
  more.addEventListener("click", () => {
    const isOpen = text.classList.toggle("clamped") === false;
    more.textContent = isOpen ? "Show less" : "Show the whole passage";
    more.setAttribute("aria-expanded", String(isOpen));
  });
  const made = el(
    "li",
    { class: "card", tabIndex: -1, "data-number": passage.number },
    el(
      "div",
      { class: "card-head" },
      el("span", { class: "number", "aria-hidden": "true" }, String(passage.number)),
      el("div", { class: "where" }, el("h3", {}, el("span", { class: "hidden-text" }, `Source ${passage.number}: `), passage.file), place(passage)),
      el("p", { class: "score" }, el("span", { class: "hidden-text" }, "Score "), number(passage.score)),
    ),
    text,
    more,
    why(passage, best),
  );
  // Whether a text is cut shows only once it has a size.
  new ResizeObserver((_, observer) => {
    if (!text.clientHeight) return;
    more.hidden = text.scrollHeight <= text.clientHeight + 1;
    observer.disconnect();
  }).observe(text);
  return made;
}

function place(passage) {
  const parts = [passage.heading.join(" \u203a ")];
  if (passage.page !== null) parts.push(`page ${passage.page}`);
  const line = parts.filter(Boolean).join(", ");
  return line ? el("p", { class: "place" }, line) : null;
}

const pieces = (texts) =>
  texts.map(([text, isMarked]) => (isMarked ? el("mark", {}, text) : text));

function why(passage, best) {
  return el(
    "details",
    { class: "why" },
    el(
      "summary",
      {},
      el("span", { class: "why-title" }, "Why this passage"),
      el("span", { class: "ranks" }, passage.legs.map(rankChip)),
      bar(passage, best),
    ),
    el("div", { class: "parts" }, passage.legs.map((leg) => legPart(leg, passage)), totals(passage)),
  );
}

function rankChip(leg) {
  const { name } = LEGS[leg.name] ?? { name: leg.name };
  const text = leg.rank === null ? `${name} \u2013` : `${name} #${leg.rank}`;
  return el("span", { class: `chip leg-${leg.name}${leg.rank === null ? " absent" : ""}` }, text);
}

/** A bar as long as the fused score, in the colours of the legs that it comes from. */
function bar(passage, best) {
  const whole = el("span", { class: "bar", "aria-hidden": "true" });
  for (const leg of passage.legs) {
    const part = el("span", { class: `leg-${leg.name}` });
    part.style.width = `${best ? (leg.contribution / best) * 100 : 0}%`;
    whole.append(part);
  }
  return whole;
}

function legPart(leg, passage) {
  const { name, measure, means } = LEGS[leg.name] ?? { name: leg.name, measure: "score", means: "" };
  const said =
    leg.rank === null
      ? "did not find it"
      : `rank ${leg.rank}, ${measure} ${number(leg.score)}`;
  const part = el(
    "div",
    { class: `part leg-${leg.name}` },
    el("span", { class: "part-name" }, name, el("small", {}, means)),
    el("span", { class: "part-said" }, said),
    el("span", { class: "part-adds" }, leg.rank === null ? "" : `+ ${number(leg.contribution)}`),
  );
  return leg.name === "bm25" && passage.terms.length ? [part, terms(passage.terms)] : part;
}

function terms(shares) {
  const most = Math.max(...shares.map((share) => share.contribution));
  return el(
    "ul",
    { class: "terms", "aria-label": "Words and what they add to the BM25 score" },
    shares.map((share) => {
      const length = el("span", { class: "term-bar", "aria-hidden": "true" });
      length.style.width = `${(share.contribution / most) * 100}%`;
      return el(
        "li",
        {},
        el("span", { class: "term" }, share.term),
        el("span", { class: "times" }, `${share.times}\u00d7`),
        el("span", { class: "term-track" }, length),
        el("span", { class: "term-score" }, share.contribution.toFixed(2)),
      );
    }),
  );
}

function totals(passage) {
  const made = [
    el(
      "div",
      { class: "part total" },
      el("span", { class: "part-name" }, "Fused"),
      el("span", { class: "part-said fusion" }, passage.fusion),
      el("span", { class: "part-adds" }, `= ${number(passage.fused)}`),
    ),
  ];
  if (passage.rerank) {
    made.push(
      el(
        "div",
        { class: "part rerank" },
        el("span", { class: "part-name" }, "Reranked"),
        el("span", { class: "part-said" }, `${passage.rerank.name}, ${moved(passage)}`),
        el("span", { class: "part-adds" }, number(passage.rerank.score)),
      ),
    );
  }
  return made;
}

const moved = ({ number: now, rerank: { rank_before: before } }) =>
  before === now ? `stays at ${now}` : `moves from ${before} to ${now}`;

/** Return a score with as many digits as tell it from its neighbours. */
const number = (value) => (Math.abs(value) >= 1 ? value.toFixed(2) : value.toFixed(4));
