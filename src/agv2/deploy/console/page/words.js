// How numbers, times and the service's own words are written for a person.
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const MINUS = "\u2212", THIN = "\u202f";

const REASONS = {
  as_wished: "as the policy wished",
  hold: "nothing to change",
  daily_loss: "daily loss limit: closing only",
  drawdown: "drawdown breaker: closing only",
  min_hold: "not held long enough to close",
  cooldown: "pause after a close",
  max_positions: "too many positions",
  size_capped: "size cut to the exposure limit",
  kelly_capped: "size cut to the Kelly limit",
  too_small: "too small to trade",
  ruined: "no equity left",
  no_edge: "no proven edge",
  stopped_out: "stopped out",
  kill_switch: "kill switch",
};

const two = (n) => String(n).padStart(2, "0");
const signed = (text, value, plus) => (/[1-9]/.test(text) ? (value < 0 ? MINUS : plus ? "+" : "") : "") + text;

export const reason = (name) => REASONS[name] ?? name.replaceAll("_", " ");
export const plain = (name) => { const words = name.replaceAll("_", " "); return words[0].toUpperCase() + words.slice(1); };

export function day(seconds) {
  const at = new Date(1000 * seconds);
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${at.getUTCFullYear()}`;
}

export const shortDay = (seconds) => day(seconds).split(" ").slice(0, 2).join(" ");

export function clock(seconds, exact = false) {
  const at = new Date(1000 * seconds);
  return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}${exact ? `:${two(at.getUTCSeconds())}` : ""}`;
}

export const stamp = (seconds) => `${day(seconds)} ${clock(seconds)}`;

export function decimals(value, digits, plus = false) {
  const shown = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return signed(shown, value, plus);
}

export const percent = (fraction, digits = 1, plus = false) => `${decimals(100 * fraction, digits, plus)}${THIN}%`;
export const money = (value, plus = false) => decimals(value, Math.abs(value) < 1000 ? 2 : 0, plus);
export const price = (value) => decimals(value, Math.abs(value) >= 100 ? 2 : Math.abs(value) >= 1 ? 4 : 6);
export const units = (value, plus = false) => {
  const shown = Math.abs(value).toLocaleString("en-US", { maximumSignificantDigits: 6 });
  return signed(shown, value, plus);
};

export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400).toLocaleString("en-US")} days`;
}
