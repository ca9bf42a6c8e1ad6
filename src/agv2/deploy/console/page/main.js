// The page's life: sign in, follow the events, ask for what has changed, draw.
import { barsThatFit, drawCandles, markOf } from "/console/candles.js";
import { drawDecisions } from "/console/decisions.js";
import { tellDialogs, wireDialogs } from "/console/dialogs.js";
import { byId, el, setText, show } from "/console/dom.js";
import { drawDrift, drawEquity, drawFigures, drawLimits, drawPositions } from "/console/panels.js";
import { Refused, ask, follow, heldToken, keepNote, keepToken, takeNote } from "/console/session.js";
import { announced, drawApprovals, drawCountdowns, drawFindings, drawKilled, drawLink, drawStale, drawStart } from "/console/status.js";
import { stamp } from "/console/words.js";

const DECISIONS = 200;

let me = null, overview = null, symbol = "", head = -1, ahead = 0, up = null, lostAt = null, drawn = null, asking = false, again = false;

const operator = () => me?.role === "operator";
const nowS = () => (performance.now() + ahead) / 1000; // the service's time, whatever this machine's clock says

async function signIn(given) {
  me = await ask("/v1/me", undefined, given);
  keepToken(given);
  setText(byId("role"), `${me.name || me.token_id} · ${me.role}`);
  show(byId("looking"), !operator());
  show(byId("door"), false);
  show(byId("console"), true);
  drawLink(false, null, "");
  follow({ heard, linked, closed });
}

function signOut(problem = "") {
  keepToken("");
  keepNote(problem);
  location.reload(); // nothing of what was shown stays in memory
}

const closed = (refusal) => signOut(refusal.message);

function linked(now, problem = "") {
  if (now === up && now) return;
  const back = now && up === false && overview !== null;
  up = now;
  lostAt = now || overview === null ? null : lostAt ?? nowS();
  if (back) { setText(byId("told"), "Connected again."); head = -1; }
  drawLink(up, lostAt, problem);
}

function heard(event) {
  ahead = event.now_ns / 1e6 - performance.now();
  if (event.overview) { overview = event.overview; drawOverview(); }
  refresh();
  tick();
}

function drawOverview() {
  const { state } = overview;
  drawKilled(overview, operator());
  drawStart(overview);
  drawFindings(overview);
  drawApprovals(overview, operator(), nowS());
  drawLimits(byId("limits"), overview.limits);
  drawPositions(byId("positions"), overview.positions);
  drawFigures(overview);
  if (!state) return;
  setText(byId("account"), state.account);
  setText(byId("model"), `${state.model.slice(0, 12)} · ${state.runtime}`);
  byId("model").title = `Bundle ${state.model}, trained on ${state.trained_on}; serving since ${stamp(state.started_ns / 1e9)}`;
  tellDialogs(state);
  drawSymbols(state.symbols.map((each) => each.symbol));
}

function drawSymbols(symbols) {
  if (!symbols.includes(symbol)) symbol = symbols[0];
  const box = byId("symbols");
  if (box.dataset.all !== symbols.join()) {
    box.dataset.all = symbols.join();
    box.replaceChildren(...symbols.map((each) => el("button", { type: "button", onclick: () => choose(each) }, each)));
  }
  for (const button of box.children) button.setAttribute("aria-pressed", String(button.textContent === symbol));
}

function choose(wanted) {
  symbol = wanted;
  drawSymbols(overview.state.symbols.map((each) => each.symbol));
  refresh();
}

// What is too much for every event is asked for when the audit log has grown; one question at a time.
async function refresh() {
  const state = overview?.state;
  if (!state || (state.head.number === head && drawn?.bars.symbol === symbol)) return;
  if (asking) { again = true; return; }
  asking = true;
  const wanted = state.head.number, named = encodeURIComponent(symbol);
  try {
    const [all, equity, bars, drift] = await Promise.all([
      ask(`/v1/decisions?limit=${DECISIONS}`), ask("/v1/equity"), ask(`/v1/bars?symbol=${named}&limit=200`), ask(`/v1/drift?symbol=${named}`)]);
    head = wanted;
    const before = drawn;
    drawn = { decisions: all.decisions, equity, bars, drift };
    draw();
    const newest = all.decisions[0];
    if (before && newest && newest.number !== before.decisions[0]?.number) setText(byId("told"), announced(newest));
  } catch (error) {
    if (!(error instanceof Refused)) throw error; // the stream says whether the service is there; its next event asks again
  } finally { asking = false; }
  if (again) { again = false; refresh(); }
}

function draw() {
  const { decisions, equity, bars, drift } = drawn;
  drawCandles(byId("candles"), bars, decisions.filter((each) => each.symbol === bars.symbol));
  drawEquity(byId("equity"), byId("band"), equity);
  drawDecisions(byId("decisions"), byId("no-holds").checked ? decisions.filter((each) => markOf(each)) : decisions);
  drawDrift(byId("drift"), drift);
}

function tick() {
  if (!overview) return;
  drawStale(overview, nowS());
  drawCountdowns(nowS());
}

function openDoor(problem) {
  show(byId("door"), true);
  setText(byId("sign-in-problem"), problem);
  byId("token").focus();
}

byId("sign-in").onsubmit = async (event) => {
  event.preventDefault();
  const field = byId("token"), button = event.target.querySelector("button");
  if (!field.value.trim()) { setText(byId("sign-in-problem"), "Paste a token first."); field.focus(); return; }
  button.disabled = true;
  try {
    await signIn(field.value.trim());
    field.value = "";
  } catch (error) {
    setText(byId("sign-in-problem"), error.message);
    field.select();
  }
  button.disabled = false;
};
byId("no-holds").onchange = () => { if (drawn) draw(); };
byId("sign-out").onclick = () => signOut();
wireDialogs({ afterwards: (said) => setText(byId("told"), said) });
setInterval(tick, 1000);

let fitting = 0;
new ResizeObserver(() => {
  if (drawn && barsThatFit(byId("candles")) !== fitting) { fitting = barsThatFit(byId("candles")); draw(); }
}).observe(byId("candles"));

if (heldToken()) {
  signIn(heldToken()).catch((error) => { if (error.status === 401) keepToken(""); openDoor(error.message); });
} else openDoor(takeNote());
