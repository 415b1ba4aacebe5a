"use strict";
// The page can be read without this: it only finds and sorts rows.
const tools = document.getElementById("tools");
if (tools) {
  const body = document.querySelector("#changes tbody");
  const rows = Array.from(body.rows);
  const words = tools.querySelector("input");
  const risk = tools.querySelector("select");
  const shown = tools.querySelector("output");

  const find = () => {
    const wanted = words.value.toLowerCase();
    let count = 0;
    for (const row of rows) {
      const fits = (!risk.value || row.cells[0].textContent === risk.value)
        && row.textContent.toLowerCase().includes(wanted);
      row.hidden = !fits;
      count += fits;
    }
    shown.textContent = count === rows.length ? "" : `${count} of ${rows.length} rows are shown`;
  };

  const sort = (heading, at) => {
    const down = heading.ariaSort === "ascending";
    for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
    heading.ariaSort = down ? "descending" : "ascending";
    const isNumber = heading.classList.contains("n");
    const value = (row) => {
      const text = row.cells[at].textContent;
      return isNumber ? parseFloat(text) || 0 : text;
    };
    // By risk is the order in which the rows came.
    const keyed = rows.map((row, place) => [at === 0 ? place : value(row), place, row]);
    const compare = (a, b) => isNumber || at === 0 ? a - b : a.localeCompare(b);
    keyed.sort((a, b) => (down ? compare(b[0], a[0]) : compare(a[0], b[0])) || a[1] - b[1]);
    body.append(...keyed.map(([, , row]) => row));
  };

  Array.from(document.querySelectorAll("#changes th")).forEach((heading, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(heading, at));
    heading.append(button);
  });
  words.addEventListener("input", find);
  risk.addEventListener("change", find);
  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.hidden = false;
}
