// How does the page ask the server? By the RESTful API, like every other client.

/** What the server refused; `code` is its number, `status` that of HTTP. */
export class ApiError extends Error {
  constructor(message, code, status) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

// In the memory of the page only: a reload forgets who logged in.
let credentials = "";

export const login = (text) => { credentials = text; };
export const isLoggedIn = () => credentials !== "";
/** Return who is logged in; a token is a secret from its first letter on. */
export const userName = () => credentials.includes(":") ? credentials.split(":")[0] : "by a token";

/** Return user and password as a header can hold any letters; a token is sent as it is. */
function encoded(text) {
  if (!text.includes(":")) return text;
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/** Return the whole body of an answer. */
export async function answer(path, body = {}) {
  const headers = {
    "Content-Type": "application/json",
    // Numbers of 64 bits come as texts: as numbers they would lose digits here.
    "Accept-Type-Allow-Int64": "false",
  };
  const by = credentials;
  if (by) headers.Authorization = `Bearer ${encoded(by)}`;
  let response;
  try {
    response = await fetch(`/v2/vectordb/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  } catch {
    throw new ApiError("The server does not answer. Is it still running?", -1, 0);
  }
  let told;
  try {
    told = await response.json();
  } catch {
    throw new ApiError(`The server answered with status ${response.status} and no JSON.`, -1, response.status);
  }
  if (told.code !== 0) {
    if (response.status === 401 && by === credentials) dispatchEvent(new CustomEvent("logged-out"));
    throw new ApiError(told.message, told.code, response.status);
  }
  return told;
}

/** Return the data of an answer. */
export const ask = async (path, body) => (await answer(path, body)).data;

/** Return the data of an answer, or something else where the user may not ask. */
export async function askOr(otherwise, path, body) {
  try {
    return await ask(path, body);
  } catch (error) {
    if (error.status === 403) return otherwise;
    throw error;
  }
}
