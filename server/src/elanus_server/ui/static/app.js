// Which view is shown, and who is logged in?

import { ApiError, ask, isLoggedIn, login, userName } from "./api.js";
import { collectionView, listed } from "./collection.js";
import { addressOf, announce, byId, el, failure } from "./dom.js";
import { serverView, usersView } from "./server.js";

const views = { "!server": serverView, "!users": usersView };

/** Return what the address asks for: a view of the server, or database, collection and tab. */
function place() {
  const parts = location.hash.slice(1).split("/");
  try {
    const [first = "", collection = "", tab = "overview"] = parts.map(decodeURIComponent);
    return views[first] ? { view: first } : { database: first, collection, tab };
  } catch {
    return { database: "", collection: "", tab: "overview" };
  }
}

let turn = 0;
/** Show what the address asks for; a view that is late is thrown away. */
async function show() {
  const mine = ++turn;
  const main = byId("main");
  main.setAttribute("aria-busy", "true");
  let shown;
  try {
    const wanted = place();
    await showSide(wanted, mine);
    shown = wanted.view ? await views[wanted.view]() : await collection(wanted);
  } catch (error) {
    shown = error instanceof ApiError && error.status === 401 ? [] : [failure(error)];
    if (!(error instanceof ApiError)) console.error(error);
  }
  if (mine !== turn) return;
  main.replaceChildren(...shown);
  main.removeAttribute("aria-busy");
  const title = main.querySelector("h2")?.textContent;
  document.title = title ? `${title} - elanus` : "elanus";
  if (title) announce(title);
}

async function collection(wanted) {
  const database = byId("database").value;
  if (wanted.collection) return collectionView(database, wanted.collection, wanted.tab);
  const names = byId("collections").querySelectorAll("a");
  return [
    el("div", { class: "title" }, el("h2", {}, `Database ${database}`)),
    el("p", { class: "empty" }, names.length
      ? "Choose a collection to see its fields, read its rows or search it."
      : `There is no collection yet. A client makes one: MilvusClient(uri${
        database === "default" ? "" : `, db_name="${database}"`}).create_collection("notes", dimension=3)`),
  ];
}

/** Fill the list of databases and that of collections. */
async function showSide(wanted, mine) {
  const databases = await ask("databases/list");
  const select = byId("database");
  const chosen = wanted.database || select.value || databases[0];
  const isThere = databases.includes(chosen);
  const found = isThere ? await listed(chosen) : [];
  if (mine !== turn) return;
  select.replaceChildren(...databases.map((name) =>
    el("option", { value: name, selected: name === chosen }, name)));
  byId("database-place").hidden = false;
  byId("users-place").hidden = !isLoggedIn();
  byId("who").hidden = byId("logout").hidden = !isLoggedIn();
  byId("who").textContent = userName();
  byId("collections").replaceChildren(...found.map((one) => el("li", {},
    el("a", {
      href: addressOf(chosen, one.name),
      "aria-current": !wanted.view && one.name === wanted.collection && "page",
    }, one.name, el("small", {}, one.note)))));
  if (!isThere) select.prepend(el("option", { value: "", selected: true }, chosen));
  for (const link of byId("places").querySelectorAll("a")) {
    if (link.hash === `#${wanted.view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!isThere) throw new ApiError(`There is no database ${chosen}; there are: ${databases.join(", ")}.`, -1, 0);
}

function askForLogin(message) {
  const dialog = byId("login");
  byId("login-failure").hidden = !message;
  byId("login-failure").textContent = message ?? "";
  if (!dialog.open) dialog.showModal();
  byId("login-user").focus();
}

let attempt = 0;
byId("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  // Whoever tries again before the answer means the later words.
  const mine = ++attempt;
  const token = byId("login-token").value.trim();
  login(token || `${byId("login-user").value}:${byId("login-password").value}`);
  try {
    await ask("databases/list");
  } catch (error) {
    if (mine !== attempt) return;
    login("");
    askForLogin(error.status === 401 ? "User, password or token are not right." : error.message);
    return;
  }
  if (mine !== attempt) return;
  byId("login-form").reset();
  byId("login").close();
  show();
});
// There is nothing to see before. A browser closes it by a second Escape, whatever "cancel" says.
byId("login").addEventListener("cancel", (event) => event.preventDefault());
byId("login").addEventListener("close", () => {
  if (!isLoggedIn()) askForLogin();
});
byId("logout").addEventListener("click", () => {
  login("");
  byId("collections").replaceChildren();
  byId("main").replaceChildren();
  show();
});
byId("database").addEventListener("change", (event) => {
  location.hash = addressOf(event.target.value);
});
addEventListener("logged-out", () => {
  if (!byId("login").open) askForLogin();
});
addEventListener("hashchange", () => {
  if (location.hash === "#main") return;
  show();
});
show();
