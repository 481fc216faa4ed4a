// How does an answer become paragraphs, lists, code and citations?
//
// Models write a little Markdown. What is known here is made into elements, the rest stays text.

import { el } from "./dom.js";

const FENCE = /^\s*(`{3,}|~{3,})\s*[\w+-]*\s*$/;
const HEADING = /^#{1,6}\s+(.*)$/;
const BULLET = /^\s*[-*+\u2022]\s+(.*)$/;
const NUMBERED = /^\s*(\d{1,3})[.)]\s+(.*)$/;
const INLINE = /(`+)([^`]+)\1|\*\*([^*\n]+)\*\*|\[(\d{1,2})\]/g;

/** Return the blocks of an answer. `cite(number)` returns the element of a citation, or null. */
export function renderAnswer(text, cite) {
  const blocks = [];
  const lines = text.split("\n");
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    const fence = FENCE.exec(line);
    if (fence) {
      const code = [];
      for (at += 1; at < lines.length && !lines[at].trim().startsWith(fence[1]); at += 1) {
        code.push(lines[at]);
      }
      at += 1;
      blocks.push(el("pre", { tabIndex: 0 }, el("code", {}, code.join("\n"))));
    } else if (!line.trim()) {
      at += 1;
    } else if (HEADING.test(line)) {
      blocks.push(el("p", { class: "answer-heading" }, inline(HEADING.exec(line)[1], cite)));
      at += 1;
    } else if (BULLET.test(line) || NUMBERED.test(line)) {
      const pattern = BULLET.test(line) ? BULLET : NUMBERED;
      const items = [];
      for (; at < lines.length && pattern.test(lines[at]); at += 1) {
        items.push(el("li", {}, inline(pattern.exec(lines[at]).at(-1), cite)));
      }
      const isNumbered = pattern === NUMBERED;
      const start = isNumbered ? Number(NUMBERED.exec(line)[1]) : undefined;
      blocks.push(el(isNumbered ? "ol" : "ul", { start }, items));
    } else {
      const paragraph = [];
      for (; at < lines.length && lines[at].trim() && !startsBlock(lines[at]); at += 1) {
        paragraph.push(lines[at]);
      }
      blocks.push(el("p", {}, inline(paragraph.join("\n"), cite)));
    }
  }
  return blocks;
}

const startsBlock = (line) => [FENCE, HEADING, BULLET, NUMBERED].some((p) => p.test(line));

function inline(text, cite) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    const [whole, , code, strong, number] = found;
    const citation = number === undefined ? null : cite(Number(number));
    if (number !== undefined && citation === null) continue;
    const before = text.slice(end, found.index);
    // A citation stays on the line of the word that it stands behind.
    parts.push(citation ? before.replace(/\s+$/, "\u00a0") : before);
    if (code !== undefined) parts.push(el("code", {}, code.trim()));
    else if (strong !== undefined) parts.push(el("strong", {}, inline(strong, cite)));
    else parts.push(citation);
    end = found.index + whole.length;
  }
  parts.push(text.slice(end));
  return parts;
}
