// Where are the sources of an answer shown: beside the conversation, or over it on a small screen?

import { byId } from "./dom.js";
import { renderCards } from "./sources.js";

const NARROW = window.matchMedia("(max-width: 60rem)");

/** The panel with the sources of one turn. */
export class Panel {
  #element = byId("sources");
  #cards = byId("cards");
  #turn = null;
  #found = null;
  #opener = null;

  constructor() {
    byId("sources-close").addEventListener("click", () => this.close());
    NARROW.addEventListener("change", () => this.close());
  }

  /** Whether the panel lies over the conversation. */
  get isOver() {
    return this.#element.classList.contains("is-over");
  }

  /** Show the sources of a turn, and one of them if `number` is given. */
  show(turn, { number = null, open = true }) {
    if (!turn.found) return;
    this.#fill(turn);
    this.#element.hidden = false;
    document.body.classList.add("has-sources");
    if (!open) return;
    this.#open();
    const card = this.#card(number);
    if (!card) return;
    card.scrollIntoView({ block: "nearest" });
    card.focus({ preventScroll: true });
    this.#mark(card);
  }

  /** Mark the card of a citation that is pointed at; null ends it. */
  point(turn, number) {
    if (turn === this.#turn) this.#mark(this.#card(number));
  }

  /** Go back to the conversation. */
  close() {
    if (!this.isOver) return;
    this.#element.classList.remove("is-over");
    this.#element.setAttribute("role", "complementary");
    this.#element.removeAttribute("aria-modal");
    this.#shade(false);
    this.#opener?.focus();
  }

  /** Forget what was shown. */
  clear() {
    this.close();
    this.#turn = this.#found = null;
    this.#cards.replaceChildren();
    this.#element.hidden = true;
    document.body.classList.remove("has-sources");
  }

  #fill(turn) {
    if (turn === this.#turn && turn.found === this.#found) return;
    this.#turn = turn;
    this.#found = turn.found;
    byId("sources-of").textContent = turn.question;
    this.#cards.replaceChildren(...renderCards(turn.found));
    this.#cards.scrollTop = 0;
  }

  #open() {
    if (!NARROW.matches || this.isOver) return;
    this.#opener = document.activeElement;
    this.#element.classList.add("is-over");
    this.#element.setAttribute("role", "dialog");
    this.#element.setAttribute("aria-modal", "true");
    this.#shade(true);
    this.#element.focus();
  }

  // What lies under the panel cannot be reached by keyboard or screen reader.
  #shade(isUnder) {
    for (const id of ["top", "main"]) byId(id).inert = isUnder;
  }

  #card(number) {
    return this.#cards.querySelector(`[data-number="${Number(number)}"]`);
  }

  #mark(card) {
    for (const other of this.#cards.children) other.classList.toggle("is-cited", other === card);
  }
}
