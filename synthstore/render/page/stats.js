"use strict";
// Data reaches the page as text only: nothing here parses markup.
const find = (selector) => document.querySelector(selector);

find("#theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

const words = find("#filter");
const severity = find("#severity");
if (words) {
  const rows = [...document.querySelectorAll("#findings tbody tr")].map((row) => ({
    row,
    text: row.textContent.toLowerCase(),
  }));
  const filter = () => {
    const wanted = words.value.trim().toLowerCase();
    let shown = 0;
    for (const { row, text } of rows) {
      const fits = !severity.value || row.dataset.severity === severity.value;
      row.hidden = !(fits && text.includes(wanted));
      shown += row.hidden ? 0 : 1;
    }
    find("#shown").textContent = `${shown.toLocaleString("en")} shown`;
  };
  words.addEventListener("input", filter);
  severity.addEventListener("change", filter);
  for (const button of document.querySelectorAll("button.code")) {
    button.addEventListener("click", () => {
      words.value = words.value === button.dataset.code ? "" : button.dataset.code;
      filter();
    });
  }
}

const points = find("#points");
if (points) {
  const hover = find("#hover");
  const [name, more, text] = hover.children;
  const by = find("#by");
  const colour = () => {
    points.dataset.by = by.value;
    find(".by-finding").hidden = by.value !== "finding";
    find(".by-score").hidden = by.value !== "score";
  };
  by.addEventListener("change", colour);
  colour();
  points.addEventListener("pointerover", (event) => {
    const point = event.target.closest("circle");
    hover.hidden = !point;
    if (!point) return;
    name.textContent = point.dataset.name;
    more.textContent = point.dataset.more;
    text.textContent = point.dataset.text;
    const left = Math.min(event.clientX + 14, innerWidth - hover.offsetWidth - 10);
    const top = Math.min(event.clientY + 14, innerHeight - hover.offsetHeight - 10);
    hover.style.left = `${Math.max(left, 4)}px`;
    hover.style.top = `${Math.max(top, 4)}px`;
  });
  points.addEventListener("pointerleave", () => {
    hover.hidden = true;
  });
}
