// Keys, rows that open with a click, the what-if slider. All pages work without it, but for the slider.
"use strict";

const typing = (element) => element.matches("input, textarea, select");

function choose(row) {
  document.querySelectorAll("tr.chosen").forEach((other) => other.classList.remove("chosen"));
  if (!row) return;
  row.classList.add("chosen");
  row.scrollIntoView({ block: "nearest" });
  row.querySelector("a").focus({ preventScroll: true });
}

function move(step) {
  const rows = [...document.querySelectorAll("tr[data-case]")];
  const at = rows.findIndex((row) => row.classList.contains("chosen"));
  choose(rows[Math.min(Math.max(at + step, 0), rows.length - 1)]);
}

// A key chooses what Enter then does, so that no slip of a finger closes a case.
function press(key) {
  const target = document.querySelector(`[data-key="${key}"]`);
  if (!target) return false;
  if (key === "escape") window.location = target.href;
  else target.focus();
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const key = event.key.toLowerCase();
  if (key === "j" || key === "k") move(key === "j" ? 1 : -1);
  else if (key === "/" && document.getElementById("find")) document.getElementById("find").focus();
  else if (!press(key)) return;
  event.preventDefault();
});

document.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-case]");
  if (row && !event.target.closest("a")) row.querySelector("a").click();
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-once]")) return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});

// The rows are replaced as cases change; what was chosen stays chosen.
let chosenCase = null;
document.addEventListener("htmx:beforeSwap", () => {
  const row = document.querySelector("tr.chosen");
  chosenCase = row ? row.dataset.case : null;
});
document.addEventListener("htmx:afterSettle", () => {
  if (chosenCase) choose(document.querySelector(`tr[data-case="${chosenCase}"]`));
});

function whatIf(place) {
  const curve = JSON.parse(place.dataset.values);
  const served = Number(place.dataset.now);
  const intervals = JSON.parse(place.dataset.intervals);
  const slider = place.querySelector("input");
  const shown = (name) => place.querySelector(`[data-out="${name}"]`);
  const alertCount = (alerts) => alerts.toLocaleString("en", { maximumFractionDigits: 1 });
  const percent = (share) => (share === null ? "–" : `${(100 * share).toFixed(1)} %`);
  const nearest = curve.threshold.reduce(
    (best, value, i) => (Math.abs(value - served) < Math.abs(curve.threshold[best] - served) ? i : best), 0);

  const level = Object.values(intervals)[0]?.level;
  const certainty = level ? `, with ${Math.round(100 * level)} % intervals` : "";

  function show() {
    const at = Number(slider.value);
    const alerts = curve.alerts_per_day[at];
    shown("alerts_per_day").textContent = alertCount(alerts);
    shown("recall").textContent = percent(curve.recall[at]);
    shown("precision").textContent = percent(curve.precision[at]);
    shown("money_saved").textContent =
      (curve.money_saved[at] / 100).toLocaleString("en", { maximumFractionDigits: 0 });
    shown("threshold").textContent = curve.threshold[at].toFixed(3);
    // How sure a figure is was measured at the served threshold only.
    for (const cell of place.querySelectorAll("[data-within]")) {
      const within = at === nearest && intervals[cell.dataset.within];
      const words = cell.dataset.within === "alerts_per_day" ? alertCount : percent;
      cell.textContent = within ? `${words(within.low)} to ${words(within.high)}` : "";
    }
    slider.setAttribute("aria-valuetext", `${alerts.toFixed(1)} alerts a day, ${percent(curve.recall[at])} of frauds`);
    const more = curve.recall[at] - curve.recall[nearest];
    const other = alerts - curve.alerts_per_day[nearest];
    shown("words").textContent = at === nearest ? `This is the threshold that serves${certainty}.`
      : `${Math.abs(other).toFixed(1)} alerts a day ${other > 0 ? "more" : "fewer"} than served, ` +
        `${Math.abs(100 * more).toFixed(1)} points of frauds ${more >= 0 ? "more" : "fewer"}.`;
    place.dispatchEvent(new CustomEvent("moved", { detail: { at, nearest } }));
  }

  slider.addEventListener("input", show);
  place.querySelector("[data-reset]").addEventListener("click", () => { slider.value = nearest; show(); });
  slider.value = nearest;
  show();
}

document.querySelectorAll("[data-whatif]").forEach(whatIf);
