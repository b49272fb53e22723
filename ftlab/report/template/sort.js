"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const keyed = [...body.rows].map((row) => {
        const cell = row.cells[place];
        const number = "value" in cell.dataset ? Number(cell.dataset.value) : NaN;
        return { row, number, words: cell.textContent.trim() };
      });
      keyed.sort((one, other) => {
        if (Number.isNaN(one.number) !== Number.isNaN(other.number)) return Number.isNaN(one.number) ? 1 : -1;
        const order = Number.isNaN(one.number)
          ? one.words.localeCompare(other.words, "en", { numeric: true })
          : one.number - other.number || 0;
        return down ? -order : order;
      });
      body.append(...keyed.map((one) => one.row));
    });
  });
  table.classList.add("ready");
}
