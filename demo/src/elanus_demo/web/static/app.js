// How does a conversation go on? One question at a time; the page holds what was said.

import { byId, count, el } from "./dom.js";
import { Panel } from "./panel.js";
import { Scope } from "./scope.js";
import { ask, loadCorpus } from "./stream.js";
import { TurnView } from "./turn.js";

const MEMORY = "elanus-conversation";
// The server looks at few turns; a long memory would only fill the request.
const TURNS_SENT = 6;

const scope = new Scope();
const panel = new Panel();
const composer = byId("composer");
const box = byId("question");
const send = byId("send");

let corpus = null;
let turns = [];
let running = null;

async function start() {
  try {
    corpus = await loadCorpus();
  } catch (error) {
    byId("fatal").textContent = error.message;
    byId("fatal").hidden = false;
    return;
  }
  document.title = `elanus: ${corpus.title}`;
  byId("corpus-title").textContent = corpus.title;
  byId("provider").textContent = `Answers: ${corpus.answered_by}`;
  byId("welcome-title").textContent = `Ask ${corpus.title}`;
  const files = count(corpus.files.length, "file");
  byId("welcome-text").textContent =
    `${count(corpus.num_passages, "passage")} from ${files}. ` +
    "Every answer cites the passages it comes from.";
  byId("suggestions").replaceChildren(...corpus.suggestions.map(suggestion));
  box.maxLength = corpus.longest_question;
  scope.offer(corpus.files);
  recall().forEach((turn) => addTurn(turn).finish());
  if (turns.length) panel.show(turns.at(-1).turn, { open: false });
  showWelcome();
  focusBox();
}

// On a screen that is touched, the focus would bring up a keyboard over half of the page.
function focusBox() {
  if (window.matchMedia("(hover: hover)").matches) box.focus();
}

function suggestion(text) {
  const button = el("button", { type: "button" }, text);
  button.addEventListener("click", () => {
    answer(text);
    focusBox();
  });
  return el("li", {}, button);
}

function showWelcome() {
  byId("welcome").hidden = turns.length > 0;
  document.body.classList.toggle("is-empty", turns.length === 0);
  byId("new").disabled = turns.length === 0;
}

function addTurn(turn) {
  const view = new TurnView(turn, {
    onSources: (number) => panel.show(turn, { number }),
    onHover: (number) => panel.point(turn, number),
    onRetry: () => {
      forget(view);
      answer(turn.question);
      focusBox();
    },
  });
  turns.push(view);
  byId("turns").append(view.element);
  showWelcome();
  return view;
}

function forget(view) {
  turns = turns.filter((other) => other !== view);
  view.element.remove();
}

async function answer(question) {
  if (running || !corpus) return;
  const history = turns
    .filter(({ turn }) => turn.answer && !turn.error)
    .slice(-TURNS_SENT)
    .map(({ turn }) => ({ question: turn.question, answer: turn.answer }));
  const turn = { question, answer: "", found: null, done: null, failures: [], error: "", isStopped: false };
  const view = addTurn(turn);
  setRunning(new AbortController());
  say("Searching");
  view.scrollIntoView();
  try {
    for await (const event of ask(question, history, scope.chosen, running.signal)) {
      if (event.type === "found") {
        turn.found = event;
        panel.show(turn, { open: false });
      } else if (event.type === "text") {
        turn.answer += event.text;
      } else if (event.type === "failed") {
        turn.failures.push(event);
        turn.answer = "";
      } else if (event.type === "done") {
        turn.done = event;
      }
      view.update();
    }
    say(`Answered, with ${count(turn.found.passages.length, "source")}`);
  } catch (error) {
    if (running.signal.aborted) turn.isStopped = true;
    else turn.error = error.message;
    say(turn.isStopped ? "Stopped" : "");
  }
  setRunning(null);
  view.finish();
  remember();
}

function setRunning(controller) {
  running = controller;
  send.classList.toggle("is-running", running !== null);
  send.setAttribute("aria-label", running ? "Stop" : "Ask");
  byId("turns").setAttribute("aria-busy", String(running !== null));
}

const say = (text) => {
  byId("status").textContent = text;
};

// A reload keeps the conversation; closing the tab or "New" ends it.
function remember() {
  try {
    const kept = turns.map(({ turn }) => turn).filter((turn) => !turn.error);
    sessionStorage.setItem(MEMORY, JSON.stringify({ title: corpus.title, turns: kept }));
  } catch {
    // A full or forbidden storage costs the memory of a reload, nothing else.
  }
}

function recall() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(MEMORY) ?? "null");
    return kept?.title === corpus.title ? kept.turns : [];
  } catch {
    return [];
  }
}

function startAnew() {
  running?.abort();
  turns.forEach(({ element }) => element.remove());
  turns = [];
  panel.clear();
  sessionStorage.removeItem(MEMORY);
  showWelcome();
  say("The conversation starts anew");
  focusBox();
}

function submit() {
  if (running) {
    running.abort();
    return;
  }
  const question = box.value.trim();
  if (!question) return;
  box.value = "";
  resize();
  answer(question);
}

function resize() {
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 200)}px`;
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
box.addEventListener("input", resize);
box.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (!running) submit();
  }
});
byId("new").addEventListener("click", startAnew);
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input, textarea");
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    box.focus();
  } else if (event.key === "Escape" && !byId("scope").open) {
    if (panel.isOver) panel.close();
    else running?.abort();
  }
});

start();
