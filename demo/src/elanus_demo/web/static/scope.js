// Which files and folders are searched?

import { byId, count, el } from "./dom.js";

// More rows than this nobody reads; the box above the list finds the others.
const MOST_ROWS = 200;

/** The choice of files and folders, and the dialog that changes it. */
export class Scope {
  #entries = [];
  #chosen = new Set();
  #dialog = byId("scope");
  #find = byId("scope-find");

  constructor() {
    byId("scope-open").addEventListener("click", () => this.#open());
    byId("scope-close").addEventListener("click", () => this.#dialog.close());
    byId("scope-done").addEventListener("click", () => this.#dialog.close());
    byId("scope-clear").addEventListener("click", () => {
      this.#chosen.clear();
      this.#show();
    });
    this.#find.addEventListener("input", () => this.#show());
    this.#dialog.addEventListener("close", () => this.#label());
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
  }

  /** Offer these files; each has `key` and `passages`. */
  offer(files) {
    const folders = new Map();
    for (const { key, passages } of files) {
      const parts = key.split("/").slice(0, -1);
      parts.forEach((_, depth) => {
        const folder = `${parts.slice(0, depth + 1).join("/")}/`;
        folders.set(folder, (folders.get(folder) ?? 0) + passages);
      });
    }
    const rows = [...folders].map(([key, passages]) => ({ key, passages, isFolder: true }));
    this.#entries = [...rows.sort((a, b) => (a.key < b.key ? -1 : 1)), ...files];
    byId("scope-open").disabled = files.length < 2;
    this.#label();
  }

  /** Keys of the chosen files and folders; empty for all. */
  get chosen() {
    return [...this.#chosen];
  }

  #open() {
    this.#find.value = "";
    this.#show();
    this.#dialog.showModal();
    this.#find.focus();
  }

  #show() {
    const wanted = this.#find.value.trim().toLowerCase();
    const fits = this.#entries.filter(({ key }) => key.toLowerCase().includes(wanted));
    const isChosen = ({ key }) => this.#chosen.has(key);
    const rows = [...fits.filter(isChosen), ...fits.filter((entry) => !isChosen(entry))];
    byId("scope-list").replaceChildren(...rows.slice(0, MOST_ROWS).map((entry) => this.#row(entry)));
    const more = rows.length - MOST_ROWS;
    byId("scope-more").textContent =
      more > 0 ? `and ${count(more, "more")}; type to find them`.replace("mores", "more")
      : rows.length ? "" : "No file or folder has this in its name.";
    byId("scope-clear").disabled = !this.#chosen.size;
  }

  #row({ key, passages, isFolder }) {
    const box = el("input", { type: "checkbox", checked: this.#chosen.has(key) });
    box.addEventListener("change", () => {
      if (box.checked) this.#chosen.add(key);
      else this.#chosen.delete(key);
      byId("scope-clear").disabled = !this.#chosen.size;
    });
    const name = el("span", { class: isFolder ? "folder" : "file" }, key);
    return el("li", {}, el("label", {}, box, name, " ", el("small", {}, count(passages, "passage"))));
  }

  #label() {
    const [first] = this.#chosen;
    const label = byId("scope-label");
    if (!this.#chosen.size) label.textContent = "All files";
    else if (this.#chosen.size === 1) label.textContent = first;
    else label.textContent = count(this.#chosen.size, "selection");
    byId("scope-open").classList.toggle("active", this.#chosen.size > 0);
  }
}
