// How does a question get to the server, and its answer back?

export class AskError extends Error {}

const UNREACHABLE =
  "The server does not answer. Is elanus-demo still running? Start it again and retry.";
const BROKEN_OFF = "The connection was lost before the answer was complete.";

/** Return what there is to ask. */
export async function loadCorpus() {
  let response;
  try {
    response = await fetch("/api/corpus");
  } catch {
    throw new AskError(UNREACHABLE);
  }
  if (!response.ok) throw new AskError(`The server answered ${response.status}.`);
  return response.json();
}

/** Yield the events of an answer; aborting `signal` ends it on the server too. */
export async function* ask(question, history, scope, signal) {
  let response;
  try {
    response = await fetch("/api/ask", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ question, history, scope }),
      signal,
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new AskError(UNREACHABLE);
  }
  if (!response.ok) throw new AskError(await reasonOf(response));
  let isComplete = false;
  for await (const line of lines(response.body, signal)) {
    const event = JSON.parse(line);
    if (event.type === "error") throw new AskError(event.message);
    isComplete ||= event.type === "done";
    yield event;
  }
  if (!isComplete) throw new AskError(BROKEN_OFF);
}

async function reasonOf(response) {
  try {
    return (await response.json()).error;
  } catch {
    return `The server answered ${response.status}.`;
  }
}

async function* lines(body, signal) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      yield* parts;
    }
  } catch (error) {
    if (signal.aborted) throw error;
    throw new AskError(BROKEN_OFF);
  } finally {
    reader.cancel().catch(() => {});
  }
}
