// What does one question with its answer look like, while it comes in and afterwards?

import { renderAnswer } from "./answer.js";
import { duration, el } from "./dom.js";
import { describeSearch } from "./sources.js";

/** One question and its answer on the page; `turn` is what is known of it. */
export class TurnView {
  #body = el("div", { class: "answer" });
  #notes = el("div", { class: "notes" });
  #foot = el("div", { class: "foot" });
  #actions;
  #frame = 0;

  constructor(turn, actions) {
    this.turn = turn;
    this.#actions = actions;
    const question = el("h2", { class: "asked" }, turn.question);
    this.element = el("li", { class: "turn is-running" }, question, this.#notes, this.#body, this.#foot);
    this.#body.append(el("p", { class: "waiting" }, "Searching", dots()));
  }

  /** Show what is new, once a frame at most. */
  update() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#render();
    });
  }

  /** Show the turn as it stays. */
  finish() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.element.classList.remove("is-running");
    this.#render();
    const { done, found } = this.turn;
    if (found) this.#foot.replaceChildren(...this.#footer(found, done));
  }

  scrollIntoView() {
    this.element.scrollIntoView({ block: "start", behavior: "instant" });
  }

  #render() {
    const { answer, found, done, failures, error, isStopped } = this.turn;
    const notes = failures.map(({ who, reason }) =>
      el("p", { class: "note warn" }, el("strong", {}, `${who} failed. `), reason),
    );
    if (found && found.query !== this.turn.question) {
      notes.unshift(el("p", { class: "note" }, "Searched for: ", el("q", {}, found.query)));
    }
    this.#notes.replaceChildren(...notes);
    const blocks = answer ? renderAnswer(answer.trim(), (number) => this.#cite(number)) : [];
    const isWaiting = !answer && !error && !isStopped && !done;
    if (isWaiting) {
      const what = found ? "Reading the passages" : "Searching";
      blocks.push(el("p", { class: "waiting" }, what, dots()));
    }
    if (done && !answer) blocks.push(el("p", { class: "note" }, `${done.by} said nothing.`));
    if (isStopped) blocks.push(el("p", { class: "note" }, "Stopped."));
    if (error) blocks.push(this.#failure(error));
    this.#body.replaceChildren(...blocks);
  }

  #failure(message) {
    const retry = el("button", { type: "button", class: "tool" }, "Ask again");
    retry.addEventListener("click", () => this.#actions.onRetry());
    const title = el("strong", {}, "This question was not answered. ");
    return el("div", { class: "failure", role: "alert" }, el("p", {}, title, message), retry);
  }

  #cite(number) {
    const passage = this.turn.found?.passages.find((one) => one.number === number);
    if (!passage) return null;
    const button = el(
      "button",
      { type: "button", class: "cite", "aria-label": `Source ${number}: ${passage.file}` },
      String(number),
    );
    button.addEventListener("click", () => this.#actions.onSources(number));
    for (const [event, shown] of [["mouseenter", number], ["mouseleave", null]]) {
      button.addEventListener(event, () => this.#actions.onHover(shown));
    }
    return button;
  }

  #footer(found, done) {
    if (!found.passages.length) {
      return [el("p", { class: "meta" }, "No passage was found. ", describeSearch(found))];
    }
    const chips = found.passages.map((passage) => {
      const button = el(
        "button",
        { type: "button", class: "source-chip", title: passage.file },
        el("span", { class: "number" }, String(passage.number)),
        el("span", {}, shortName(passage)),
      );
      button.addEventListener("click", () => this.#actions.onSources(passage.number));
      return el("li", {}, button);
    });
    const meta = [describeSearch(found)];
    if (done) meta.unshift(describeAnswer(done));
    return [
      el("ul", { class: "chips", "aria-label": "Sources" }, chips),
      el("p", { class: "meta" }, meta.map((line) => el("span", {}, line))),
    ];
  }
}

/** Return the name of a file, and of the part of it where that says more. */
function shortName({ file, heading }) {
  const name = file.split("/").at(-1);
  const part = heading.at(-1);
  if (!part) return name;
  // A class is named with its module; a heading is not.
  return part.startsWith(`${file}.`) ? part : `${name} \u203a ${part}`;
}

function describeAnswer({ by, first_ms: first, total_ms: total }) {
  const whole = `Answered by ${by} in ${duration(total)}`;
  // Worth telling only of a model that writes while one reads.
  return total - first < 100 ? whole : `${whole}, first words after ${duration(first)}`;
}

const dots = () =>
  el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i"));
