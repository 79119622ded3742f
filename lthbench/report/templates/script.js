"use strict";
// All of this is comfort: the page is complete without it.
(() => {
  const all = (query, root = document) => [...root.querySelectorAll(query)];
  const rows = all("#forest tbody tr");
  const card = (row) => document.getElementById(row.dataset.claim);

  // Filter and sort the table, and the cards with it.
  const menu = (label, options, change) => {
    const select = document.createElement("select");
    for (const [value, text] of options) select.add(new Option(text, value));
    select.addEventListener("change", () => change(select.value));
    const box = document.createElement("label");
    box.append(label + " ", select);
    return box;
  };
  const chosen = { verdict: "", kind: "" };
  const status = document.createElement("span");
  status.setAttribute("role", "status");
  const filter = (key) => (value) => {
    chosen[key] = value;
    let shown = 0;
    for (const row of rows) {
      const fits = Object.entries(chosen).every(([name, wanted]) => !wanted || row.dataset[name] === wanted);
      row.hidden = card(row).hidden = !fits;
      shown += fits;
    }
    status.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} claims`;
  };
  const orders = {
    suite: (a, b) => rows.indexOf(a) - rows.indexOf(b),
    verdict: (a, b) => a.dataset.rank - b.dataset.rank || orders.suite(a, b),
    size: (a, b) => b.dataset.size - a.dataset.size,
  };
  const sort = (order) => {
    for (const row of [...rows].sort(orders[order])) {
      row.parentNode.append(row);
      card(row).parentNode.append(card(row));
    }
  };
  const values = (key) => [...new Set(rows.map((row) => row.dataset[key]))].map((value) => [value, value]);
  const tools = document.getElementById("tools");
  if (tools && rows.length > 1) {
    tools.append(
      menu("Verdict", [["", "all"], ...values("verdict")], filter("verdict")),
      menu("Kind", [["", "all"], ...values("kind")], filter("kind")),
      menu("Order", [["suite", "of the suite"], ["verdict", "worst first"], ["size", "largest first"]], sort),
      status,
    );
    tools.hidden = false;
  }

  // The sidebar follows.
  const links = new Map(all(".side a").map((link) => [link.hash.slice(1), link]));
  const mark = (id) => {
    for (const [name, link] of links) {
      if (name === id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };
  const seen = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => mark(entry.target.id)),
    { rootMargin: "-10% 0px -75% 0px" },
  );
  for (const id of links.keys()) {
    const target = document.getElementById(id);
    if (target) seen.observe(target);
  }

  // A link into a folded part opens it; a printed page has everything open.
  const open = (element) => {
    for (let part = element; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  };
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    open(target);
    if (target.firstElementChild && target.firstElementChild.tagName === "DETAILS") target.firstElementChild.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    for (const part of folded) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of folded) part.open = false;
  });
})();
