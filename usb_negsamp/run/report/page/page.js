"use strict";
{
  // Without this script all runs stand below each other.
  const runs = [...document.querySelectorAll("article")];
  const buttons = [...document.querySelectorAll("nav button")];
  const show = (anchor) => {
    for (const run of runs) run.hidden = run.id !== anchor;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.run === anchor));
  };
  const follow = () => {
    const wanted = location.hash.slice(1);
    show(runs.some((run) => run.id === wanted) ? wanted : runs[0].id);
  };
  if (buttons.length) {
    for (const button of buttons) {
      button.addEventListener("click", () => {
        history.replaceState(null, "", "#" + button.dataset.run);
        show(button.dataset.run);
      });
    }
    addEventListener("hashchange", follow);
    follow();
  }

  const keyOf = (row, column) => row.cells[column].dataset.key ?? row.cells[column].textContent.trim();
  const compare = (a, b) => {
    const numbers = [Number(a), Number(b)];
    return a !== "" && b !== "" && numbers.every(Number.isFinite) ? numbers[0] - numbers[1] : a.localeCompare(b);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const order = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
        const sign = order === "ascending" ? 1 : -1;
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", order);
        const rows = [...table.tBodies[0].rows];
        // What has no value stands last, whichever way the others are sorted.
        rows.sort((a, b) => {
          const keys = [keyOf(a, column), keyOf(b, column)];
          if ((keys[0] === "") !== (keys[1] === "")) return keys[0] === "" ? 1 : -1;
          return sign * compare(...keys);
        });
        table.tBodies[0].append(...rows);
      });
    });
  }
}
