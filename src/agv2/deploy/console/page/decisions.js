// The last decisions, each with its grounds to open; new ones come in on top, open ones stay open.
import { inBrief, markOf } from "/console/candles.js";
import { el, reconcile } from "/console/dom.js";
import { decimals, percent, plain, price, reason, stamp, units } from "/console/words.js";

const CHOICES = { position: ["flat", "long", "short"], size: null, stop: null, target: null };
const FIRST = 12, MORE = 100;

let shown = FIRST;

export function drawDecisions(box, decisions) {
  if (!decisions.length) return box.replaceChildren(el("p", { class: "empty" }, "No decision yet: each appears here by itself."));
  const rows = decisions.slice(0, shown).map((each) => [
    String(each.number), each.attribution ? "explained" : "bare", (before) => row(each, before?.open ?? false)]);
  const left = Math.min(decisions.length, MORE) - rows.length;
  const more = () => { shown = MORE; drawDecisions(box, decisions); };
  if (left > 0) rows.push(["more", `${left} ${decisions[0].number}`, () => el("button", { type: "button", class: "more", onclick: more }, `Show ${left} more`)]);
  reconcile(box, rows);
}

function row(decision, open) {
  const kind = markOf(decision), worth = strongest(decision.attribution);
  return el("details", { class: "decision", open },
    el("summary", {},
      el("span", { class: "at" }, stamp(decision.bar_ts)),
      el("span", { class: "what" }, el("i", { class: `mark ${kind === "asked" ? `asked ${decision.side}` : kind || "held"}`, "aria-hidden": "true" }), el("b", {}, decision.symbol), ` ${inBrief(decision)}`),
      el("span", { class: "why" }, reason(decision.reason), decision.killed && decision.reason !== "kill_switch" ? " · killed" : "", decision.halted ? " · halted" : ""),
      el("span", { class: "because soft" }, worth)),
    el("div", { class: "grounds" }, chances(decision), attribution(decision), facts(decision)));
}

function strongest(found) {
  if (!found) return "";
  const [name, value] = Object.entries(found.by_family).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]))[0];
  return `${plain(name)} ${decimals(value, 2, true)}`;
}

function chances({ probabilities }) {
  const rows = Object.entries(CHOICES).filter(([name]) => probabilities[name]).map(([name, words]) => {
    const odds = probabilities[name], best = odds.indexOf(Math.max(...odds));
    return el("li", {}, el("span", { class: "name" }, plain(name)),
      el("span", { class: "odds" }, ...odds.map((p, i) => el("span", { class: i === best ? "best" : "" }, `${words ? words[i] : `${i + 1}:`} ${percent(p, 0)}`))));
  });
  return el("div", {}, el("h3", {}, "How sure the policy was"), el("ul", { class: "chances" }, ...rows),
    el("p", { class: "soft" }, "Size, stop and target: from small to large."));
}

function attribution(decision) {
  const found = decision.attribution, title = el("h3", {}, "What it rested on");
  if (!found) return el("div", {}, title, el("p", { class: "empty" }, "Not explained yet, or left out because too many waited."));
  const entries = [...Object.entries(found.by_family).map(([name, value]) => [plain(name), value]), ["State of the book", found.state]];
  entries.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  const most = Math.abs(entries[0][1]) || 1;
  return el("div", {}, title,
    el("p", { class: "soft" }, `Log-odds of ${found.position} against flat: ${decimals(found.log_odds, 2, true)}. Each bar: by how much they fall without it.`),
    el("ul", { class: "worth" }, ...entries.map(([name, value]) => el("li", {}, el("span", {}, name), el("span", { class: "n" }, decimals(value, 2, true)),
      el("div", { class: "track", style: { "--zero": "50%" } }, el("i", { class: value < 0 ? "against" : "", style: { left: `${value < 0 ? 50 + 50 * value / most : 50}%`, width: `${50 * Math.abs(value) / most}%` } }))))));
}

function facts(decision) {
  const order = decision.order, level = (value) => (value > 0 ? price(value) : "none");
  const regime = Object.entries(decision.regime).sort((a, b) => b[1] - a[1])[0];
  const rows = [
    ["Order", order ? `${units(order.units, true)} at the next open (${reason(order.reason)})` : "none"],
    ["Stop · target", `${level(decision.stop_loss)} · ${level(decision.take_profit)}`],
    ["Wish → allowed", `${units(decision.before_units, true)} → ${units(decision.after_units, true)} units`],
    ["Regime", `${regime[0]} ${percent(regime[1], 0)}`],
    ["Volatility of a bar", percent(decision.volatility, 2)],
    ["Entropy · value", `${decimals(decision.entropy, 2)} nats · ${decimals(decision.value, 3, true)}`],
    ["Audit record", `${decision.number} · ${decision.sha256.slice(0, 12)}…`],
    ["Request", decision.request_id],
  ];
  return el("div", {}, el("h3", {}, "Carried through the limits"), el("dl", { class: "facts" }, ...rows.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text)))));
}
