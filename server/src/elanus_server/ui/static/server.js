// How is the server, and who may use it?

import { ask } from "./api.js";
import { fact } from "./collection.js";
import { count, duration, el, size, table } from "./dom.js";

export async function serverView() {
  const known = await ask("elanus/status");
  const isWell = known.backgroundErrors === 0;
  return [
    el("div", { class: "title" },
      el("h2", {}, "Health and calls"),
      el("span", { class: `state ${isWell ? "good" : "bad"}` }, isWell
        ? "answers, and no work failed"
        : `background work of ${count(known.backgroundErrors, "collection")} failed; see the log`)),
    el("dl", { class: "figures" },
      fact("Version", known.version),
      fact("Databases", known.databases),
      fact("Collections", known.collections),
      fact("Rows of open collections", known.rows.toLocaleString("en")),
      fact("On disk", size(known.diskBytes)),
      fact("Of it logs", size(known.walBytes)),
      fact("Memory of its own", size(known.memoryBytes)),
      fact("Mapped files", size(known.mappedBytes)),
      fact("Users", known.auth ? "have to log in" : "everybody may do everything")),
    el("section", { class: "part" }, el("h3", {}, "Calls since the start"),
      table("Calls since the start", ["call", "calls", "of it failed", "half within", "99 % within"],
        known.calls.map((one) => [
          one.name, one.count.toLocaleString("en"), one.failed.toLocaleString("en"),
          duration(one.p50Ms), duration(one.p99Ms),
        ])),
      el("p", { class: "hint" }, "Times are read from counted ranges, as Prometheus does.")),
  ];
}

export async function usersView() {
  const [users, roles] = await Promise.all([ask("users/list"), ask("roles/list")]);
  const [roleOf, grants] = await Promise.all([
    Promise.all(users.map((userName) => ask("users/describe", { userName }))),
    Promise.all(roles.map((roleName) => ask("roles/describe", { roleName }))),
  ]);
  return [
    el("div", { class: "title" }, el("h2", {}, "Users and roles")),
    el("section", { class: "part" }, el("h3", {}, "Users"),
      table("Users", ["user", "roles"], users.map((name, place) => [name, roleOf[place].join(", ") || "none"]))),
    el("section", { class: "part" }, el("h3", {}, "Roles"),
      table("Roles", ["role", "may"], roles.map((name, place) => [name, granted(name, grants[place])]))),
  ];
}

function granted(role, grants) {
  if (role === "admin") return "do everything";
  if (!grants.length) return "do nothing";
  return el("ul", {}, grants.map((one) => el("li", {},
    `${one.privilege} on ${one.objectName === "*" ? "every collection" : one.objectName} of ${
      one.dbName === "*" ? "every database" : one.dbName}`)));
}
