// Charts from the data that a page bears, in its colours, drawn again when these or the width change.
"use strict";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const shares = (u, values) => values.map((v) => (v === null ? "" : `${Math.round(100 * v)} %`));
const numbers = (u, values) => values.map((v) => (v === null ? "" : compact.format(v)));

function axis(label, values, size = 56) {
  return {
    ...(label ? { label, labelSize: 18, labelFont: "12px system-ui" } : {}), font: "11px system-ui", size, stroke: colour("soft"),
    grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1, size: 4 },
    ...(values ? { values } : {}),
  };
}

const line = (label, stroke, more = {}) => ({
  label, stroke: colour(stroke), width: 2, points: { show: false }, spanGaps: true, ...more,
});
const dots = (label, stroke, size, fill) => ({
  label, stroke: colour(stroke), width: 1.5, paths: () => null,
  points: { show: true, size, stroke: colour(stroke), fill: fill ? colour(fill) : "transparent", width: fill ? 0 : 2 },
});

const bars = (label, fill, side) => ({
  label, stroke: fill, fill, width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.36], align: side }),
});

const plain = { legend: { show: false }, cursor: { show: false } };
const sorted = (columns, by) => {
  const order = columns[by].map((_, i) => i).filter((i) => columns[by][i] !== null).sort((a, b) => columns[by][a] - columns[by][b]);
  return Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, order.map((i) => values[i])]));
};

const CHARTS = {
  timeline: (d) => [
    { ...plain, scales: { x: { time: true } }, tzDate: utc, axes: [axis("", moments, 30), axis("Amount", numbers)],
      series: [{}, dots("Payment", "point", 6, "point"), dots("Alert of this case", "fraud", 13)] },
    [d.at, d.other, d.here],
  ],
  whatif: (d) => { const s = sorted(d, "alerts_per_day"); return [
    { ...plain, scales: { x: { time: false, distr: 3 }, y: { range: [0, 1] } },
      axes: [axis("Alerts a day (logarithmic)", numbers, 30), axis("Frauds caught", shares)],
      series: [{}, line("Frauds caught", "accent"), dots("Here", "fraud", 12, "fraud"), dots("Served", "good", 12)] },
    [s.alerts_per_day, s.recall, s.recall.map(() => null), s.recall.map(() => null)],
  ]; },
  pr: (d) => { const s = sorted(d, "recall"); return [
    { ...plain, scales: { x: { time: false, range: [0, 1] }, y: { range: [0, 1.02] } },
      axes: [axis("Recall", shares, 30), axis("Precision", shares)], series: [{}, line("Precision", "accent")] },
    [s.recall, s.precision],
  ]; },
  cost: (d) => { const s = sorted(d, "alerts_per_day"); return [
    { ...plain, scales: { x: { time: false, distr: 3 } },
      axes: [axis("Alerts a day (logarithmic)", numbers, 30), axis("Saved", numbers)],
      series: [{}, line("Money saved", "good")] },
    [s.alerts_per_day, s.money_saved.map((v) => v / 100)],
  ]; },
  calibration: (d) => {
    const kept = d.predicted.map((_, i) => i).filter((i) => d.predicted[i] > 0);
    const x = kept.map((i) => d.predicted[i]);
    return [
      { ...plain, scales: { x: { time: false, distr: 3 }, y: { distr: 3 } },
        axes: [axis("Announced", percents, 30), axis("Observed", percents)],
        series: [{}, line("Honest", "soft", { width: 1, dash: [4, 4] }), dots("Observed", "accent", 8, "accent")] },
      [x, x, kept.map((i) => (d.observed[i] > 0 ? d.observed[i] : null))],
    ];
  },
  weeks: (d) => [
    { ...plain, scales: { x: { time: true }, y: { range: [0, 1] } }, tzDate: utc,
      axes: [{ ...axis("", moments, 30), splits: () => some(d.at, 6) }, axis("", shares, 48)], bands: [{ series: [2, 1], fill: colour("accent-wash") }],
      series: [{}, line("From", "accent-wash", { width: 0 }), line("To", "accent-wash", { width: 0 }),
        line("Promised", "good", { width: 1.5, dash: [6, 4] }), line("Week", "accent", { points: { show: true, size: 6 } })] },
    [d.at, d.low, d.high, d.at.map(() => d.promised), d.value],
  ],
  tenths: (d) => { const place = d.late.map((_, i) => i + 1); return [
    { ...plain, legend: { show: true, live: false },
      scales: { x: { time: false, range: [0.4, place.length + 0.6] }, y: { range: (u, low, high) => [0, high * 1.1] } },
      axes: [{ ...axis("Tenth of the scores when tested, the most suspicious right", null, 30), splits: () => place, grid: { show: false } }, axis("", shares, 48)],
      series: [{}, bars("When the model was tested", `${colour("soft")}80`, -1), bars("Last week", colour("accent"), 1)] },
    [place, d.before, d.late],
  ]; },
  delays: (d) => [
    { ...plain, legend: { show: true, live: false }, scales: { x: { time: false }, y: { range: [0, 1] } },
      axes: [axis("Days after the payment", numbers, 30), axis("", shares, 48)],
      series: [{}, line("Before", "soft", { dash: [6, 4] }), line("Of late", "accent")] },
    [d.days, d.before, d.late],
  ],
  pace: (d) => [
    { ...plain, scales: { x: { time: true }, y: { range: (u, low, high) => [0, (high || 1) * 1.1] } }, tzDate: utc,
      axes: [axis("", moments, 30), axis("", numbers)], series: [{}, line("Decisions a second", "accent", { fill: colour("accent-wash") })] },
    [d.at, d.pace],
  ],
  latency: (d) => [
    { ...plain, legend: { show: true, live: false }, tzDate: utc, scales: { x: { time: true }, y: { range: (u, low, high) => [0, (high || 1) * 1.1] } },
      axes: [axis("", moments, 30), axis("ms", numbers)], series: [{}, line("Half below", "accent"), line("99 % below", "warn")] },
    [d.at, d.p50, d.p99],
  ],
};

// So many of the values that their labels do not touch, the last among them.
function some(values, most) {
  const step = Math.ceil(values.length / most);
  return values.filter((_, i) => (values.length - 1 - i) % step === 0);
}
function utc(seconds) { return uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"); }
// Within two days the time of day is what tells payments apart, beyond them the day does. Each is said once: at the full
// minute, or at midnight.
function moments(u, values) {
  const short = values.length < 2 || values[values.length - 1] - values[0] < 172800;
  const [unit, ...part] = short ? [60, 11, 16] : [86400, 5, 10];
  return values.map((v) => (v % unit === 0 ? new Date(v * 1000).toISOString().slice(...part) : ""));
}
function percents(u, values) { return values.map((v) => (v === null ? "" : `${Number((100 * v).toPrecision(2))} %`)); }

function draw(place) {
  const holder = place.closest("[data-values]");
  if (!holder || !place.clientWidth) return;
  const [options, data] = CHARTS[place.dataset.chart](JSON.parse(holder.dataset.values));
  if (place.plot) place.plot.destroy();
  if (!data[0].length) return;
  const legend = options.legend.show ? 26 : 0;
  place.plot = new uPlot({ width: place.clientWidth, height: place.clientHeight - legend, ...options }, data, place);
  place.drawnAt = place.clientWidth;
}

const drawAll = (root) => root.querySelectorAll("[data-chart]").forEach(draw);

document.addEventListener("moved", (event) => {
  const place = event.target.querySelector("[data-chart]");
  if (!place.plot) draw(place);
  if (!place.plot) return;
  const curve = JSON.parse(event.target.dataset.values);
  const [x, recall] = place.plot.data;
  const only = (at) => {
    const column = recall.map(() => null);
    column[x.indexOf(curve.alerts_per_day[at])] = curve.recall[at];
    return column;
  };
  place.plot.setData([x, recall, only(event.detail.at), only(event.detail.nearest)]);
}, true);

window.addEventListener("resize", () => document.querySelectorAll("[data-chart]").forEach((place) => {
  if (place.clientWidth !== place.drawnAt) draw(place);
}));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));
document.addEventListener("htmx:afterSwap", (event) => drawAll(event.detail.target));
drawAll(document);
