// Put at the head of a copy of a page: looks at it as an auditor of accessibility would, and tells the frame around it.
"use strict";
const told = [];
addEventListener("error", (event) => told.push(event.message));
console.error = (...words) => told.push(words.join(" "));

const luminance = (parts) => {
  const [r, g, b] = parts.map((part) => part / 255).map((p) => (p <= 0.04045 ? p / 12.92 : ((p + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
const behind = (element) => {
  for (let here = element; here; here = here.parentElement) {
    const colour = parts(getComputedStyle(here).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const contrast = (element) => {
  const [a, b] = [parts(getComputedStyle(element).color), behind(element)].map((c) => luminance(c.slice(0, 3)));
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
};
const seen = (element) => element.getClientRects().length > 0 && getComputedStyle(element).visibility === "visible";
const all = (query) => [...document.querySelectorAll(query)];
const named = (element) => element.textContent.trim() || element.getAttribute("aria-label");

const audit = () => {
  const faults = [];
  const fault = (rule, element) => faults.push(`${rule}: ${element.outerHTML.slice(0, 120)}`);
  const ids = all("[id]").map((element) => element.id);
  all("[id]").forEach((element) => ids.filter((id) => id === element.id).length > 1 && fault("id twice", element));
  if (all("main").length !== 1 || all("h1").length !== 1 || !document.documentElement.lang) faults.push("landmarks");
  let level = 1;
  for (const heading of all("h1, h2, h3, h4, h5, h6")) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) fault("heading skips a level", heading);
    level = own;
  }
  all("a[href]").forEach((link) => named(link) || fault("link without words", link));
  all("select").forEach((select) => select.labels.length || fault("control without a label", select));
  all("svg").forEach((svg) => {
    const label = svg.getAttribute("aria-labelledby");
    if (svg.getAttribute("aria-hidden") === "true") return;
    if (!label || !label.split(" ").every((id) => document.getElementById(id))) fault("figure without words", svg);
  });
  all("table").forEach((table) => table.querySelector("th[scope=col]") || fault("table without heads", table));
  for (const element of all("body *")) {
    const style = getComputedStyle(element);
    const scrolls = ["auto", "scroll"].includes(style.overflowX) && element.scrollWidth > element.clientWidth + 1;
    if (scrolls && element.tabIndex < 0 && !element.querySelector("a, select")) fault("scrolls by mouse alone", element);
    const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!words || element.closest("svg, script, style") || !seen(element)) continue;
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if (contrast(element) < (large ? 3 : 4.5)) fault(`contrast ${contrast(element).toFixed(2)}`, element);
  }
  return faults;
};

addEventListener("load", () => {
  const report = { faults: audit(), width: [document.documentElement.scrollWidth, innerWidth] };
  report.requests = performance.getEntriesByType("resource").map((entry) => entry.name);
  report.words = document.body.innerText.split(/\s+/).length;
  report.menus = all("#tools select").length;
  const rows = all("#forest tbody tr");
  const shown = (elements) => elements.filter(seen).length;
  if (report.menus) {
    const [verdict, , order] = all("#tools select");
    verdict.value = verdict.options[1].value;
    verdict.dispatchEvent(new Event("change"));
    const fits = rows.filter((row) => row.dataset.verdict === verdict.value).length;
    report.filtered = [shown(rows), shown(all(".card")), fits];
    verdict.value = "";
    verdict.dispatchEvent(new Event("change"));
    order.value = "verdict";
    order.dispatchEvent(new Event("change"));
    report.ranks = all("#forest tbody tr").map((row) => Number(row.dataset.rank));
    report.cards = all(".card").map((card) => card.id);
    report.order = all("#forest tbody tr").map((row) => row.dataset.claim);
  }
  dispatchEvent(new Event("beforeprint"));
  report.folded = all("details:not([open])").length;
  report.opened = audit();
  dispatchEvent(new Event("afterprint"));
  report.errors = told;
  parent.postMessage(JSON.stringify(report), "*");
});
