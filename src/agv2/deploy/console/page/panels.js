// Equity, limits, positions, drift, and the figures at a glance.
import { SPAN, plot, readable, timeTicks, valueTicks } from "/console/charts.js";
import { byId, el, setText } from "/console/dom.js";
import { clock, decimals, money, percent, plain, price, shortDay, stamp, units } from "/console/words.js";

const LIMITS = { daily_loss: "Loss of the day", drawdown: "Drawdown", exposure: "Exposure", positions: "Positions" };
const DRIFT_FIRST = 8;

export function drawFigures(overview) {
  const risk = overview.state?.risk, known = (overview.state?.symbols ?? []).map((each) => each.bars_known_until).filter(Boolean);
  const newest = known.length ? Math.max(...known) : null;
  const held = overview.positions?.filter((each) => each.units !== 0);
  const rows = [
    ["Equity", risk ? money(risk.last_equity) : "–", risk ? "at the newest decision" : "no decision yet"],
    ["Since the day began", risk ? percent(risk.last_equity / risk.day_start_equity - 1, 2, true) : "–", risk ? money(risk.last_equity - risk.day_start_equity, true) : ""],
    ["Drawdown", risk ? percent(Math.max(0, 1 - risk.last_equity / risk.peak_equity), 2) : "–", risk ? `from ${money(risk.peak_equity)}` : ""],
    ["Positions held", held ? String(held.length) : "–", held ? held.map((each) => `${each.symbol} ${units(each.units, true)}`).join(", ") || "flat" : "not known since this start"],
    ["Newest bar", newest ? clock(newest) : "–", newest ? shortDay(newest) : "none told yet"],
    ["Audit log", overview.state ? overview.state.head.number.toLocaleString("en-US") : "–", overview.state ? "records" : ""],
  ];
  const box = byId("figures");
  if (box.children.length === 0) box.append(...rows.map(([name]) => el("div", {}, el("dt", {}, name), el("dd", {}, el("span"), el("span", { class: "beside" })))));
  rows.forEach(([, value, beside], place) => {
    setText(box.children[place].querySelector("span"), value);
    setText(box.children[place].querySelector(".beside"), beside);
  });
}

export function drawEquity(figure, note, { ts, equity, band, band_unknown: unknown }) {
  note.textContent = band ? "Shaded: where 95 % of the backtest's paths would be; dashed: their median." : `Expected band: not known (${unknown}).`;
  if (ts.length < 2) return figure.replaceChildren(el("p", { class: "empty" }, "Too few decisions for a curve; two are the least."));
  const last = ts.at(-1), from = ts[0], inside = band ? overlapping(band.ts, from, last) : [];
  const all = [...equity, ...inside.flatMap((i) => [band.low[i], band.high[i]])];
  const least = Math.min(...all), most = Math.max(...all), room = 0.08 * (most - least || 0.002 * most);
  const low = least - room, high = most + room;
  const x = (t) => SPAN * (t - from) / (last - from || 1), y = (value) => SPAN * (high - value) / (high - low);
  const line = (values) => values.map(([t, value], i) => `${i ? "L" : "M"}${x(t).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const edge = (name) => inside.map((i) => [band.ts[i], band[name][i]]);
  const digits = high - low < 10 ? 2 : 0;
  const drawn = plot({
    summary: `Equity from ${money(equity[0])} to ${money(equity.at(-1))}, ${stamp(from)} to ${stamp(last)}`,
    paths: [["expected", inside.length > 1 ? `${line([...edge("high"), ...edge("low").reverse()])}z` : ""],
      ["median", inside.length > 1 ? line(edge("median")) : ""], ["line s0", line(ts.map((t, i) => [t, equity[i]]))]],
    values: valueTicks(low, high, 5).map((value) => [y(value) / 10, decimals(value, digits)]),
    times: timeTicks(ts, 4).map(([i, text]) => [x(ts[i]) / 10, text]),
  });
  const readout = el("p", { class: "when", "aria-live": "polite" });
  figure.replaceChildren(readout, drawn);
  const read = (i) => {
    const at = i ?? ts.length - 1;
    readout.textContent = `${stamp(ts[at])} · ${money(equity[at])} (${percent(equity[at] / equity[0] - 1, 2, true)} since ${shortDay(from)})`;
  };
  const nearest = (across) => ts.findLastIndex((t) => x(t) <= SPAN * across);
  readable(figure, ts.length, (i) => x(ts[i]) / 10, nearest, read);
  read(null);
}

// Places of `ts` from the last one at or before `from` to the first one at or after `last`: the frame cuts off the rest.
function overlapping(ts, from, last) {
  const first = Math.max(0, ts.findLastIndex((t) => t <= from)), beyond = ts.findIndex((t) => t >= last);
  return ts.map((_, i) => i).slice(first, beyond < 0 ? ts.length : beyond + 1);
}

export function drawLimits(list, limits) {
  list.replaceChildren(...limits.map(({ name, used, limit, hit }) => {
    const written = { exposure: (v) => `${decimals(v, 2)} ×`, positions: (v) => String(v) }[name] ?? ((v) => percent(v, 1));
    const share = used === null ? 0 : used / limit, of = used === null ? `not known, limit ${written(limit)}` : `${written(used)} of ${written(limit)}`;
    const state = hit ? "hit" : share >= 0.75 ? "near" : "";
    return el("li", { class: state },
      el("span", { class: "name" }, LIMITS[name] ?? plain(name)),
      el("span", {}, of, hit ? el("b", {}, " · hit, closing only") : null),
      el("div", { class: "meter", role: "meter", "aria-label": LIMITS[name], "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": String(Math.round(100 * Math.min(1, share))), "aria-valuetext": of },
        el("i", { style: { width: `${100 * Math.min(1, share)}%` } })));
  }));
  if (!limits.length) list.append(el("li", { class: "empty" }, "Known once the model is loaded."));
}

export function drawPositions(box, positions) {
  if (positions === null) return box.replaceChildren(el("p", { class: "empty" }, "Not known: no caller has told a book since this service started."));
  const held = positions.filter((each) => each.units !== 0);
  if (!held.length) return box.replaceChildren(el("p", { class: "empty" }, `Flat in ${positions.map((each) => each.symbol).join(", ")}.`));
  const level = (value) => (value > 0 ? price(value) : "none");
  const cells = (each) => [units(each.units, true), level(each.entry_price), price(each.close), level(each.stop_loss), level(each.take_profit), each.entry_price > 0 ? money(each.open_pnl, true) : "not known"];
  const heads = ["Units", "Entry", "Close", "Stop", "Target", "Open result"];
  box.replaceChildren(el("table", { class: "positions" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Symbol"), ...heads.map((head) => el("th", { scope: "col", class: "n" }, head)))),
    el("tbody", {}, ...held.map((each) => el("tr", {}, el("th", { scope: "row" }, each.symbol),
      ...cells(each).map((text, i) => el("td", { class: `n${i === 5 && each.open_pnl < 0 ? " loss" : ""}`, "data-name": heads[i] }, text)))))));
}

export function drawDrift(box, drift) {
  if (drift === null) return box.replaceChildren(el("p", { class: "empty" }, "Known once the model is loaded."));
  if (drift.features === null) return box.replaceChildren(el("p", { class: "empty" }, `Not known: ${drift.unknown}.`));
  const rows = drift.features, most = Math.max(1, rows[0]?.limit_share ?? 0) * 1.05;
  const row = (each) => el("li", { class: each.limit_share > 1 ? "hit" : each.limit_share >= 0.75 ? "near" : "" },
    el("span", { class: "name" }, each.name),
    el("span", {}, `${percent(each.limit_share, 0)} of its limit`, el("span", { class: "soft" }, ` · PSI ${decimals(each.stability_index, 3)} · KL ${decimals(each.relative_entropy, 3)}`)),
    el("div", { class: "meter limit", style: { "--limit": `${100 / most}%` }, "aria-hidden": "true" }, el("i", { style: { width: `${100 * each.limit_share / most}%` } })));
  const open = box.querySelector("details")?.open ?? false;
  const beyond = rows.filter((each) => each.limit_share > 1).length;
  box.replaceChildren(
    el("p", { class: "soft" }, `${drift.symbol}: ${rows.length} features, ${beyond} beyond the limit at which the guard halts (the mark on each bar); the worst first.`),
    el("ul", { class: "meters wide-meters" }, ...rows.slice(0, DRIFT_FIRST).map(row)),
    ...(rows.length > DRIFT_FIRST ? [el("details", { open }, el("summary", {}, `The other ${rows.length - DRIFT_FIRST}`), el("ul", { class: "meters wide-meters" }, ...rows.slice(DRIFT_FIRST).map(row)))] : []));
}
