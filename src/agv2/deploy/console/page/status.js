// What must not be missed: killed, connection, start, stale bars, tripped guards; and the approvals that wait.
import { inBrief } from "/console/candles.js";
import { byId, el, reconcile, setText, show } from "/console/dom.js";
import { openAnswer } from "/console/dialogs.js";
import { clock, plain, price, span, stamp, units } from "/console/words.js";

const GUARDS = { pnl: "result outside its band", entropy: "the policy is unsure", drift: "drift of features" };
const LATE_BARS = 2;
const PARTS = { state: "state store", audit: "audit log", lease: "lease of the account", model: "model", open: "service" };

export function drawKilled(overview, operator) {
  const kill = overview.state?.kill, engaged = kill?.engaged ?? false;
  show(byId("killed"), engaged);
  show(byId("rearm"), engaged && operator);
  show(byId("kill"), operator && !engaged);
  document.body.classList.toggle("is-killed", engaged);
  document.title = `${engaged ? "KILLED · " : ""}${overview.state ? `${overview.state.account} · ` : ""}AGV2 console`;
  if (!engaged) return;
  setText(byId("killed-why"), `“${kill.reason}” (${kill.actor}${kill.since_ns ? `, ${stamp(kill.since_ns / 1e9)}` : ""})`);
  setText(byId("killed-what"), `No position is opened until a person re-arms; ${kill.flattens ? "what is held is closed." : "what is held may be kept or reduced."}`);
}

export function drawStart(overview) {
  const missing = Object.entries(overview.checks).filter(([, there]) => !there).map(([name]) => PARTS[name] ?? name);
  show(byId("starting"), missing.length > 0 || overview.problem !== "");
  const what = missing.length ? `Nothing is decided: still missing ${missing.join(", ")}.` : "The state cannot be read, so nothing is decided.";
  setText(byId("starting"), missing.length ? what : `${what} ${overview.problem}`);
}

export function drawFindings(overview) {
  const found = overview.findings ?? [];
  show(byId("findings"), found.length > 0);
  reconcile(byId("findings"), found.map((each) => [each.guard, each.reason, () => el("p", {}, el("b", {}, `Guard tripped: ${GUARDS[each.guard] ?? plain(each.guard).toLowerCase()}`),
    ` · ${each.level === "flatten" ? "closes everything" : "opens nothing"} since ${stamp(each.since_ns / 1e9)} · ${each.reason}`)]));
}

export function drawStale(overview, nowS) {
  const late = (overview?.state?.symbols ?? []).flatMap(({ symbol, bar_s: barS, bars_known_until: until, timeframe }) => {
    const waited = until === null ? 0 : nowS - until - barS;
    return waited > LATE_BARS * barS ? [`${symbol}: newest ${timeframe} bar closed ${span(waited)} ago`] : [];
  });
  show(byId("stale"), late.length > 0);
  setText(byId("stale"), `Stale: ${late.join("; ")}. The market is closed, or its feed has stopped.`);
}

export function drawLink(up, since, problem) {
  const link = byId("link");
  setText(link, up ? "Live" : since ? "Reconnecting" : "Connecting");
  link.className = `link ${up ? "up" : "down"}`;
  const lost = !up && (since !== null || problem !== "");
  show(byId("lost"), lost);
  document.body.classList.toggle("is-lost", lost);
  const what = since === null ? "Not connected" : `Connection lost at ${clock(since, true)}`, old = since === null ? "Trying" : "What you see is from before; trying";
  if (lost) setText(byId("lost"), `${[what, problem].filter(Boolean).join(": ")}. ${old} again by itself.`);
}

export function drawApprovals({ approvals, state }, operator, nowS) {
  const killed = state?.kill.engaged ?? true;
  const box = byId("approvals"), waiting = approvals.filter((each) => each.status === "pending");
  const wanted = [...waiting, ...approvals.filter((each) => each.status !== "pending").slice(0, 3)].map((each) => [
    each.approval_id, `${each.status} ${killed}`, () => (each.status === "pending" ? card(each, operator, killed) : answered(each))]);
  if (!waiting.length) wanted.unshift(["none", "", () => el("p", { class: "empty" }, "Nothing waits for approval.")]);
  reconcile(box, wanted);
  drawCountdowns(nowS);
}

export function drawCountdowns(nowS) {
  for (const each of document.querySelectorAll("[data-expires]")) {
    const left = Number(each.dataset.expires) - nowS;
    setText(each, left > 0 ? `${span(left)} left; silence means no` : "timed out: no");
  }
}

function card(approval, operator, killed) {
  const title = described(approval);
  const act = (approve) => el("button", { type: "button", class: approve ? "primary" : "", disabled: approve && killed, title: approve && killed ? "Killed: nothing may be opened" : null, onclick: () => openAnswer(approval, title, approve) }, approve ? "Confirm…" : "Deny…");
  return el("article", { class: "approval", "aria-label": title },
    el("div", {}, el("h3", {}, title), el("p", { class: "soft" }, bracket(approval), " · ", el("span", { "data-expires": String(approval.expires_ns / 1e9) }))),
    operator ? el("div", { class: "acts" }, act(true), act(false)) : el("p", { class: "soft" }, "An operator must answer."));
}

function described({ symbol, proposal }) {
  return `Open ${proposal.side} ${symbol}, ${units(proposal.order?.units ?? 0, true)} units?`;
}

function bracket({ proposal, asked_ns: asked }) {
  const order = proposal.order ?? {}, level = (value) => (value > 0 ? price(value) : "none");
  return `stop ${level(order.stop_loss)}, target ${level(order.take_profit)} · decided on the bar of ${stamp(proposal.bar_ts)}, asked at ${clock(asked / 1e9, true)}`;
}

function answered(approval) {
  const said = { approved: "Confirmed", denied: "Denied", expired: "Timed out, which means no" }[approval.status];
  const by = approval.actor ? ` by ${approval.actor}` : "", why = approval.reason ? `: ${approval.reason}` : "";
  return el("p", { class: "soft answered" }, el("b", {}, said), `${by}${why} · ${described(approval).replace("?", "")}, ${stamp(approval.asked_ns / 1e9)}`);
}

export const announced = (decision) => `${decision.symbol}: ${inBrief(decision)}`;
