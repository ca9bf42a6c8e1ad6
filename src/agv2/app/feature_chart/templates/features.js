// One bar read in all charts at once: they share their time axis.
(() => {
  const bars = JSON.parse(document.getElementById("bars").textContent);
  const charts = document.querySelector(".charts");
  const when = document.querySelector(".when");
  const crosses = [...document.querySelectorAll(".cross")];
  const outputs = [...document.querySelectorAll("output[data-column]")];
  const n = bars.t.length;
  let shown = -1;

  function show(index) {
    shown = Math.min(Math.max(index, 0), n - 1);
    const left = `${(100 * (shown + 0.5)) / n}%`;
    for (const cross of crosses) { cross.hidden = false; cross.style.left = left; }
    for (const output of outputs) output.textContent = bars.values[output.dataset.column][shown].toFixed(2);
    const stamp = new Date(1000 * bars.t[shown]).toISOString().slice(0, 16).replace("T", " ");
    const [open, high, low, close] = bars.ohlc[shown].map((price) => price.toFixed(bars.digits));
    when.textContent = `${stamp} UTC   open ${open}   high ${high}   low ${low}   close ${close}`;
  }

  charts.addEventListener("pointermove", (event) => {
    const plot = event.target.closest(".plot");
    if (!plot) return;
    const box = plot.getBoundingClientRect();
    show(Math.floor((n * (event.clientX - box.left)) / box.width));
  });
  charts.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    show(shown < 0 ? n - 1 : shown + step * (event.shiftKey ? 10 : 1));
  });
})();
