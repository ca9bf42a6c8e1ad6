"use strict";
// Hover, paging and printing. Everything is already drawn: without this script only the reading of values is lost.
(() => {
  document.documentElement.classList.add("js");
  const hover = JSON.parse(document.getElementById("hover").textContent);
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

  const stamp = (ms) => {
    const at = new Date(ms), two = (n) => String(n).padStart(2, "0");
    return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${at.getUTCFullYear()} ${two(at.getUTCHours())}:${two(at.getUTCMinutes())} UTC`;
  };
  const percent = (fraction, signed) => {
    const shown = Math.abs(100 * fraction), digits = shown >= 1000 ? 0 : shown >= 1 || shown === 0 ? 1 : 2;
    const body = shown.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    const sign = /[1-9]/.test(body) ? (fraction < 0 ? "\u2212" : signed ? "+" : "") : "";
    return `${sign}${body}\u202f%`;
  };
  const running = (steps) => { let sum = 0; return steps.map((step) => (sum += step)); };
  const lastAtOrBefore = (sorted, value) => {
    let low = 0, high = sorted.length - 1;
    while (low < high) { const middle = (low + high + 1) >> 1; if (sorted[middle] <= value) low = middle; else high = middle - 1; }
    return low;
  };
  const bold = (text) => { const b = document.createElement("b"); b.textContent = text; return b; };

  // Equity, drawdown and position share one crosshair; the legends show the values under it.
  (() => {
    const box = document.querySelector(".equity-figure"), when = box.querySelector(".when"), resting = when.innerHTML;
    const plots = [...box.querySelectorAll(".plot")], crosses = [...box.querySelectorAll(".cross")];
    const panels = hover.equity.panels.map((panel, p) => {
      const outputs = [...box.querySelectorAll(".panel")[p].querySelectorAll("output")];
      return panel.map((series, s) => ({ t: running(series.t), v: series.v, out: outputs[s], rest: outputs[s].textContent, signed: p !== 1 }));
    });
    const span = (hover.equity.to - hover.equity.from) / 1000, grid = panels[0][0].t;
    let index = grid.length - 1;
    const show = (seconds) => {
      for (const panel of panels) for (const one of panel) one.out.textContent = percent(one.v[lastAtOrBefore(one.t, seconds)], one.signed);
      for (const cross of crosses) { cross.hidden = false; cross.style.left = `${100 * seconds / span}%`; }
      when.replaceChildren(bold(stamp(hover.equity.from + 1000 * seconds)));
    };
    const rest = () => {
      for (const panel of panels) for (const one of panel) one.out.textContent = one.rest;
      for (const cross of crosses) cross.hidden = true;
      when.innerHTML = resting;
    };
    for (const plot of plots) {
      plot.addEventListener("pointermove", (event) => {
        const edge = plot.getBoundingClientRect();
        index = lastAtOrBefore(grid, span * Math.min(1, Math.max(0, (event.clientX - edge.left) / edge.width)));
        show(grid[index]);
      });
      plot.addEventListener("pointerleave", rest);
    }
    box.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1, Home: -grid.length, End: grid.length }[event.key];
      if (event.key === "Escape") return rest();
      if (by === undefined) return;
      event.preventDefault();
      index = Math.min(grid.length - 1, Math.max(0, index + by * (event.shiftKey ? 20 : 1)));
      show(grid[index]);
    });
    box.addEventListener("blur", rest);
  })();

  // One figure of candles per symbol; its pages are all in the document, one is shown.
  for (const figure of document.querySelectorAll(".candles")) {
    const bars = hover.candles[Number(figure.dataset.figure)], times = running(bars.t);
    const pages = [...figure.querySelectorAll(".page")], range = figure.querySelector("input"), readout = figure.querySelector(".ohlc");
    const scroller = figure.querySelector(".scroller"), span = figure.querySelector(".span"), number = figure.querySelector(".page-number");
    const spans = pages.map((page) => page.querySelector("svg").getAttribute("aria-label").split(", ")[1]);
    const resting = readout.innerHTML;
    let shown = Number(figure.dataset.shown), bar = null;
    const goals = {
      "previous": () => shown - 1, "next": () => shown + 1,
      "previous-trade": () => Math.max(-1, ...bars.busy.filter((page) => page < shown)),
      "next-trade": () => bars.busy.find((page) => page > shown) ?? -1,
    };
    const possible = (page) => page >= 0 && page < pages.length;
    const rest = () => { bar = null; for (const page of pages) page.querySelector(".cross").hidden = true; readout.innerHTML = resting; };
    const turn = (page) => {
      rest();
      pages[shown].hidden = true; pages[page].hidden = false; shown = page;
      range.value = page; range.setAttribute("aria-valuetext", spans[page]); span.textContent = spans[page]; number.textContent = `${page + 1} / ${pages.length}`;
      for (const button of figure.querySelectorAll("button")) button.disabled = !possible(goals[button.dataset.go]());
    };
    const read = (at) => {
      bar = at;
      const first = bars.edges[shown], width = 100 / (bars.edges[shown + 1] - first), cross = pages[shown].querySelector(".cross");
      cross.hidden = false; cross.style.left = `${(at - first + 0.5) * width}%`;
      const price = (value) => value.toLocaleString("en-US", { minimumFractionDigits: bars.digits, maximumFractionDigits: bars.digits });
      readout.replaceChildren(bold(stamp(1000 * times[at])), ` · open ${price(bars.o[at])} · high ${price(bars.h[at])} · low ${price(bars.l[at])} · close ${price(bars.c[at])}`);
    };
    for (const page of pages) {
      page.addEventListener("pointermove", (event) => {
        const edge = page.getBoundingClientRect(), first = bars.edges[shown], count = bars.edges[shown + 1] - first;
        read(first + Math.min(count - 1, Math.max(0, Math.floor(count * (event.clientX - edge.left) / edge.width))));
      });
      page.addEventListener("pointerleave", rest);
    }
    scroller.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key], page = { PageUp: shown - 1, PageDown: shown + 1 }[event.key];
      if (by === undefined && page === undefined) return;
      event.preventDefault();
      if (page !== undefined) { if (possible(page)) turn(page); return; }
      const first = bars.edges[shown], last = bars.edges[shown + 1] - 1;
      read(bar === null ? (by < 0 ? last : first) : Math.min(last, Math.max(first, bar + by)));
    });
    scroller.addEventListener("blur", rest);
    range.addEventListener("input", () => turn(Number(range.value)));
    for (const button of figure.querySelectorAll("button")) {
      button.addEventListener("click", () => { const page = goals[button.dataset.go](); if (possible(page)) turn(page); });
    }
    turn(shown);
    scroller.scrollLeft = scroller.scrollWidth; // on a phone: the newest bars first
  }

  // Paper has no pointer: open everything that folds, and fold it again afterwards.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => { for (const one of opened) one.open = false; opened = []; });
})();
