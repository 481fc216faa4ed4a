"""The page at ``/docs``: it shows the OpenAPI document, with nothing from elsewhere."""

from __future__ import annotations

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>elanus: RESTful API</title>
<link rel="icon" href="/ui/static/icon.svg" type="image/svg+xml">
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
summary { cursor: pointer; padding: .3rem 0; }
code, textarea, pre { font: .875rem/1.4 ui-monospace, monospace; }
code { overflow-wrap: anywhere; }
a { color: inherit; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .2rem .6rem .2rem 0; vertical-align: top; }
textarea { width: 100%; box-sizing: border-box; }
pre { overflow: auto; max-height: 24rem; }
input { width: 20rem; max-width: 100%; }
</style>
</head>
<body>
<main>
<h1>RESTful API</h1>
<p id="about"></p>
<p><a href="/ui/">Collections, rows and searches on a page</a></p>
<p><label>Token, where the server asks for one <input id="token" autocomplete="off"></label></p>
<div id="routes"></div>
</main>
<script>
"use strict";
const make = (name, text, parent) => {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (parent) parent.append(made);
  return made;
};
const send = async (path, text, shown) => {
  const headers = {"Content-Type": "application/json"};
  const token = document.getElementById("token").value;
  if (token) headers.Authorization = "Bearer " + token;
  try {
    const answer = await fetch(path, {method: "POST", headers, body: text});
    const told = await answer.text();
    try { shown.textContent = JSON.stringify(JSON.parse(told), null, 2); }
    catch { shown.textContent = told; }
  } catch (error) { shown.textContent = String(error); }
};
const show = (path, route, parent) => {
  const box = make("details", "", parent);
  const line = make("summary", "", box);
  make("code", path, line);
  line.append(" " + route.summary);
  make("p", route.description, box);
  const body = route.requestBody.content["application/json"].schema;
  const table = make("table", "", box);
  for (const [name, one] of Object.entries(body.properties)) {
    const row = make("tr", "", table);
    make("code", name, make("td", "", row));
    const kind = (one.type || "any") + (one.items && one.items.type ? " of " + one.items.type : "");
    make("td", kind + ((body.required || []).includes(name) ? ", required" : ""), row);
    const fallback = one.default === undefined ? "" : "Default: " + JSON.stringify(one.default);
    make("td", [one.description, fallback].filter(Boolean).join(" "), row);
  }
  const given = Object.fromEntries((body.required || []).map((name) => [name, ""]));
  const input = make("textarea", JSON.stringify(given, null, 2), box);
  input.rows = 5;
  input.setAttribute("aria-label", "Body of " + path);
  const button = make("button", "Send", box);
  const shown = make("pre", "", box);
  button.onclick = () => send(path, input.value, shown);
};
fetch("openapi.json").then((answer) => answer.json()).then((found) => {
  document.getElementById("about").textContent = found.info.description;
  const groups = new Map();
  for (const [path, item] of Object.entries(found.paths)) {
    const tag = item.post.tags[0];
    if (!groups.has(tag)) groups.set(tag, []);
    groups.get(tag).push([path, item.post]);
  }
  const parent = document.getElementById("routes");
  for (const [tag, routes] of groups) {
    make("h2", tag, parent);
    for (const [path, route] of routes) show(path, route, parent);
  }
});
</script>
</body>
</html>
"""
