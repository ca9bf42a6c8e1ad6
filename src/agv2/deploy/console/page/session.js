// Talking to the service: the token, questions, and the stream of events.
const KEY = "agv2-token", NOTE = "agv2-note"; // of this tab alone, gone when it is closed
const SILENCE_MS = 16_000; // the service says something every five seconds
const WAITS_MS = [300, 1_000, 2_000, 5_000, 10_000];

let token = stored(KEY);

export class Refused extends Error {
  constructor(status, problem) { super(problem); this.status = status; }
}

export const heldToken = () => token;

export function keepToken(text) {
  token = text;
  store(KEY, text);
}

// A word that outlives a reload, such as why somebody was signed out.
export const keepNote = (text) => store(NOTE, text);

export function takeNote() {
  const text = stored(NOTE);
  store(NOTE, "");
  return text;
}

export async function ask(path, body, given = token) {
  const request = { headers: { Authorization: `Bearer ${given}` }, cache: "no-store", credentials: "omit" };
  if (body !== undefined) {
    Object.assign(request, { method: "POST", body: JSON.stringify(body) });
    request.headers["Content-Type"] = "application/json";
  }
  let answer;
  try { answer = await fetch(path, request); } catch { throw new Refused(0, "The service cannot be reached."); }
  if (answer.ok) return answer.json();
  throw await refusal(answer);
}

// Follow the events for ever: `heard(event)`, `linked(true | false, problem)`, and `closed(refusal)` where the token opens nothing.
export async function follow({ heard, linked, closed }) {
  for (let failures = 0; ; failures += 1) {
    let problem = "";
    try {
      await stream((event) => { failures = -1; linked(true); heard(event); });
    } catch (error) {
      if (error.status === 401 || error.status === 403) return closed(error);
      if (error.status) problem = error.message;
    }
    linked(false, problem);
    await pause(WAITS_MS[Math.min(Math.max(failures, 0), WAITS_MS.length - 1)]);
  }
}

async function stream(heard) {
  const ending = new AbortController();
  let watch;
  const alive = () => { clearTimeout(watch); watch = setTimeout(() => ending.abort(), SILENCE_MS); };
  alive();
  try {
    const headers = { Authorization: `Bearer ${token}`, Accept: "text/event-stream" };
    const answer = await fetch("/v1/events", { headers, cache: "no-store", credentials: "omit", signal: ending.signal });
    if (!answer.ok) throw await refusal(answer);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
      const { value, done } = await reader.read();
      if (done) return;
      alive();
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        const lines = part.split("\n").filter((line) => line.startsWith("data:"));
        if (lines.length) heard(JSON.parse(lines.map((line) => line.slice(5)).join("\n")));
      }
    }
  } finally { clearTimeout(watch); ending.abort(); }
}

async function refusal(answer) {
  let problem = `The service answered ${answer.status}.`;
  try {
    const said = await answer.json();
    problem = [said.problem, ...(said.details ?? [])].join("; ");
  } catch { /* not ours: its number must do */ }
  const wait = answer.headers.get("Retry-After");
  if (answer.status === 429 && wait) problem += ` for ${wait} s`;
  return new Refused(answer.status, problem[0].toUpperCase() + problem.slice(1));
}

// Until the time is over, or somebody looks again, or the network is back.
function pause(ms) {
  return new Promise((resolve) => {
    const on = [[window, "online"], [document, "visibilitychange"]];
    const done = () => {
      clearTimeout(timer);
      for (const [target, name] of on) target.removeEventListener(name, done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    for (const [target, name] of on) target.addEventListener(name, done);
  });
}

function stored(key) {
  try { return sessionStorage.getItem(key) ?? ""; } catch { return ""; } // a browser that keeps nothing
}

function store(key, text) {
  try { if (text) sessionStorage.setItem(key, text); else sessionStorage.removeItem(key); } catch { /* as above */ }
}
