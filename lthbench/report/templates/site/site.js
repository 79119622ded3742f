// Filters of the table of claims. Without this script every claim is shown, and the buttons are not.
(() => {
  const form = document.querySelector("[data-filters]");
  if (!form) return;
  const buttons = [...form.querySelectorAll("[data-filter]")];
  const rows = [...document.querySelectorAll("tr.row")];
  const wanted = (name) => buttons.filter((b) => b.dataset.filter === name && b.ariaPressed === "true").map((b) => b.dataset.value);
  const show = () => {
    const [verdicts, kinds, scales] = ["verdict", "kind", "scale"].map(wanted);
    let shown = 0;
    for (const row of rows) {
      const kind = !kinds.length || row.dataset.kind.split(" ").some((k) => kinds.includes(k));
      let any = false;
      for (const cell of row.querySelectorAll("td.cell")) {
        const fits = (!verdicts.length || cell.dataset.verdict.split("|").some((v) => verdicts.includes(v))) &&
          (!scales.length || scales.includes(cell.dataset.scale));
        cell.classList.toggle("other", !fits);
        any ||= fits;
      }
      row.hidden = !(kind && any);
      shown += !row.hidden;
    }
    for (const body of document.querySelectorAll("table.claims tbody")) body.hidden = !body.querySelector("tr.row:not([hidden])");
    form.querySelector("[data-shown]").textContent = `${shown} of ${rows.length} claims`;
  };
  for (const button of buttons) button.addEventListener("click", () => {
    button.ariaPressed = button.ariaPressed === "true" ? "false" : "true";
    show();
  });
  form.addEventListener("reset", () => { for (const b of buttons) b.ariaPressed = "false"; show(); });
  form.hidden = false;
  show();
})();
