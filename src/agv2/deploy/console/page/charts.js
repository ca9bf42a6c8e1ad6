// What both charts share: a frame with axes, a crosshair that pointer and keys move, ticks at round numbers.
import { el, svg } from "/console/dom.js";
import { clock, shortDay } from "/console/words.js";

export const SPAN = 1000;

export function valueTicks(low, high, atMost) {
  if (!(high > low)) return [low];
  const rough = (high - low) / atMost, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => power * factor).find((each) => each >= rough * (1 - 1e-9));
  const ticks = [];
  for (let n = Math.ceil(low / step - 1e-9); n <= Math.floor(high / step + 1e-9); n += 1) ticks.push(n * step);
  return ticks;
}

// Places at which a new hour, day or month begins: the finest of them that is not too many.
export function timeTicks(ts, atMost) {
  const day = 86_400;
  const units = [...[1, 3, 6, 12].map((h) => [(t) => Math.floor(t / (h * 3_600)), true]),
    ...[1, 2, 7, 14, 28, 91, 364].map((d) => [(t) => Math.floor((t / day + 3) / d), false])];
  for (const [group, hours] of units) {
    const starts = ts.flatMap((t, i) => (i > 0 && group(t) !== group(ts[i - 1]) ? [i] : []));
    if (starts.length <= atMost) {
      return starts.map((i) => [i, hours && clock(ts[i]) !== "00:00" ? clock(ts[i]) : shortDay(ts[i])]);
    }
  }
  return [];
}

// A plot of `paths` ([class, path data], 0..SPAN both ways, down), with axes in per cent and marks on top.
export function plot({ summary, paths, values, times, marks = [] }) {
  const grid = values.map(([at]) => `M0 ${10 * at}H${SPAN}`).join("");
  const drawing = svg("svg", { viewBox: `0 0 ${SPAN} ${SPAN}`, preserveAspectRatio: "none", role: "img", "aria-label": summary },
    svg("path", { class: "grid", d: grid }), ...paths.filter(([, d]) => d).map(([kind, d]) => svg("path", { class: kind, d })));
  const cross = el("div", { class: "cross", hidden: true });
  return el("div", { class: "plot" }, drawing, cross, ...marks,
    ...values.map(([at, text]) => el("span", { class: "y", style: { top: `${at}%` } }, text)),
    ...times.map(([at, text]) => el("span", { class: "x", style: { left: `${at}%` } }, text)));
}

// Pointer, finger and arrow keys choose one of `count` places; `read(place)` says what is there, null: nothing chosen.
export function readable(figure, count, acrossOf, placeOf, read) {
  const plotted = figure.querySelector(".plot"), cross = figure.querySelector(".cross");
  let at = null;
  const turn = (place) => {
    at = place;
    cross.hidden = place === null;
    if (place !== null) cross.style.left = `${acrossOf(place)}%`;
    read(place);
  };
  plotted.onpointermove = plotted.onpointerdown = (event) => {
    const edge = plotted.getBoundingClientRect();
    turn(Math.min(count - 1, Math.max(0, placeOf((event.clientX - edge.left) / edge.width))));
  };
  plotted.onpointerleave = () => turn(null);
  figure.onblur = () => turn(null);
  figure.onkeydown = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -count, End: count }[event.key];
    if (event.key === "Escape") turn(null);
    if (by === undefined) return;
    event.preventDefault();
    turn(Math.min(count - 1, Math.max(0, (at ?? (by < 0 ? count : -1)) + by)));
  };
}
