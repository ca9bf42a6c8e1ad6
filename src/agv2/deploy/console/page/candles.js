// The newest bars of one symbol, and on each what was decided at its close.
import { SPAN, plot, readable, timeTicks, valueTicks } from "/console/charts.js";
import { el, svg } from "/console/dom.js";
import { price, reason, stamp, units } from "/console/words.js";

const BODY = 0.62;
const AS_MEANT = new Set(["as_wished", "hold", "size_capped", "kelly_capped"]);

export const barsThatFit = (figure) => (figure.clientWidth < 500 ? 60 : figure.clientWidth < 900 ? 110 : 160);

// What became of a decision, as the chart marks it: long, short, closed, asked, refused; empty: nothing to mark.
export function markOf(decision) {
  if (decision.status === "awaiting_approval") return "asked";
  if (decision.order && decision.order.units !== 0) return decision.side === "flat" ? "closed" : decision.side;
  return AS_MEANT.has(decision.reason) ? "" : "refused";
}

export function inBrief(decision) {
  const order = decision.order;
  const said = {
    asked: () => `asked a person: ${decision.side}`,
    long: () => `long ${units(order.units, true)}`,
    short: () => `short ${units(order.units, true)}`,
    closed: () => `close ${units(order.units, true)}`,
    refused: () => `no order, ${decision.side}`,
    "": () => `hold, ${decision.side}`,
  };
  return said[markOf(decision)]();
}

export function drawCandles(figure, bars, decisions) {
  const count = Math.min(bars.ts.length, barsThatFit(figure));
  if (count < 2) return figure.replaceChildren(el("p", { class: "empty" }, "No bars yet: they come with the first decision."));
  const cut = (column) => bars[column].slice(-count);
  const ts = cut("ts"), o = cut("open"), h = cut("high"), l = cut("low"), c = cut("close");
  const made = decided(decisions, ts);
  const brackets = made.flatMap((d) => (d ? [d.stop_loss, d.take_profit] : [])).filter((level) => level > 0);
  const [low, high] = range(Math.min(...l), Math.max(...h), brackets);
  const width = SPAN / count, down = (value) => SPAN * (high - value) / (high - low);
  const middle = (i) => (i + 0.5) * width;
  const wicks = { up: "", down: "" }, bodies = { up: "", down: "" };
  ts.forEach((_, i) => {
    const way = c[i] >= o[i] ? "up" : "down", top = down(Math.max(o[i], c[i]));
    wicks[way] += `M${middle(i)} ${down(h[i])}V${down(l[i])}`;
    bodies[way] += `M${middle(i) - BODY * width / 2} ${top}h${BODY * width}v${Math.max(2, down(Math.min(o[i], c[i])) - top)}h${-BODY * width}z`;
  });
  const drawn = plot({
    summary: `${bars.symbol}, ${count} bars to ${stamp(ts.at(-1))}, newest close ${price(c.at(-1))}`,
    paths: [["targets", steps(made, "take_profit", down, width)], ["stops", steps(made, "stop_loss", down, width)],
      ["wick up", wicks.up], ["wick down", wicks.down], ["body up", bodies.up], ["body down", bodies.down]],
    values: valueTicks(low, high, 6).map((value) => [down(value) / 10, price(value)]),
    times: timeTicks(ts, count > 100 ? 10 : 4).map(([i, text]) => [middle(i) / 10, text]),
    marks: made.flatMap((d, i) => (d && markOf(d) ? [mark(d, middle(i) / 10, down, h[i], l[i], c[i])] : [])),
  });
  drawn.classList.add("market");
  const readout = el("p", { class: "when", "aria-live": "polite" }), when = (i) => `${stamp(ts[i])} · open ${price(o[i])} · high ${price(h[i])} · low ${price(l[i])} · close ${price(c[i])}`;
  const rest = `${stamp(ts.at(-1))} · close ${price(c.at(-1))}`;
  figure.replaceChildren(readout, drawn, sides(made, width), legend(made));
  const read = (i) => {
    const d = i === null ? null : made[i];
    readout.textContent = (i === null ? rest : when(i)) + (d ? ` · ${inBrief(d)}, ${reason(d.reason)}` : "");
  };
  readable(figure, count, (i) => middle(i) / 10, (across) => Math.floor(across * count), read);
  read(null);
}

function decided(decisions, ts) {
  const place = new Map(ts.map((t, i) => [t, i])), made = new Array(ts.length).fill(null);
  for (const each of decisions) { // the newest first
    const i = place.get(each.bar_ts);
    if (i !== undefined && made[i] === null) made[i] = each;
  }
  return made;
}

// Levels far from the bars would make the bars flat: the chart is stretched for those nearby alone.
function range(low, high, levels) {
  const room = (high - low || 0.01 * high) * 0.15;
  const near = levels.filter((level) => level > low - room && level < high + room);
  const least = Math.min(low, ...near), most = Math.max(high, ...near), edge = 0.06 * (most - least || 0.01 * most);
  return [least - edge, most + edge];
}

// Decided at a close, in force during the next bar.
function steps(made, name, down, width) {
  return made.map((d, i) => {
    const y = d && d.side !== "flat" && d.status !== "awaiting_approval" && d[name] > 0 ? down(d[name]) : -1;
    return y >= 0 && y <= SPAN ? `M${i * width + width} ${y}h${width}` : "";
  }).join("");
}

function mark(decision, across, down, high, low, close) {
  const kind = markOf(decision);
  const at = { long: low, short: high, asked: decision.side === "short" ? high : low, refused: high, closed: close }[kind];
  const way = kind === "asked" ? `asked ${decision.side}` : kind;
  const title = `${stamp(decision.bar_ts)}: ${inBrief(decision)}`;
  return el("i", { class: `mark ${way}`, title, style: { left: `${across}%`, top: `${down(at) / 10}%` } });
}

// A strip below the bars: which side each decision led to.
function sides(made, width) {
  const paths = ["long", "short", "flat"].map((side) => svg("path", { class: `side ${side}`,
    d: made.map((d, i) => (d?.side === side ? `M${i * width} 0h${width}v${SPAN}h${-width}z` : "")).join("") }));
  return el("div", { class: "strip" }, svg("svg", { viewBox: `0 0 ${SPAN} ${SPAN}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...paths));
}

function legend(made) {
  const names = { long: "buy", short: "sell", closed: "close", asked: "asked a person", refused: "wish refused" };
  const present = Object.keys(names).filter((kind) => made.some((d) => d && markOf(d) === kind));
  const key = (kind) => svg("svg", { class: "key", viewBox: "0 0 22 8", "aria-hidden": "true" }, svg("path", { class: kind, d: "M0 4H22" }));
  const held = made.some((d) => d && d.side !== "flat" && d.stop_loss > 0);
  return el("ul", { class: "legend marks" },
    ...present.map((kind) => el("li", {}, el("i", { class: `mark ${kind === "asked" ? "asked long" : kind}` }), names[kind])),
    ...(held ? [el("li", {}, key("stops"), "stop"), el("li", {}, key("targets"), "target")] : []),
    el("li", {}, el("i", { class: "swatch long" }), "long"), el("li", {}, el("i", { class: "swatch short" }), "short"),
    el("li", {}, el("i", { class: "swatch flat" }), "flat; below the bars: what each decision led to"));
}
