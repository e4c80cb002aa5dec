// Sorts and filters tables and enlarges pictures. Without a script a page shows all rows and pictures.
"use strict";

const order = new Intl.Collator("en", { numeric: true });

function valueOf(row, column) {
  const cell = row.cells[column];
  return (cell.dataset.value ?? cell.textContent).trim();
}

function sort(heading, rows) {
  const direction = heading.ariaSort === "ascending" ? "descending" : "ascending";
  const sign = direction === "ascending" ? 1 : -1;
  const isNumber = heading.classList.contains("number");
  const keyed = rows.map((row) => {
    const value = valueOf(row, heading.cellIndex);
    const number = parseFloat(value.replaceAll(",", ""));
    return { row, key: isNumber ? number : value, missing: isNumber ? Number.isNaN(number) : value === "" };
  });
  keyed.sort((a, b) => {
    if (a.missing || b.missing) return a.missing - b.missing;
    return sign * (isNumber ? a.key - b.key : order.compare(a.key, b.key));
  });
  for (const other of heading.parentNode.cells) other.ariaSort = null;
  heading.ariaSort = direction;
  for (const { row } of keyed) row.parentNode.append(row);
}

function filter(box, rows) {
  const words = box.querySelector("input")?.value.trim().toLowerCase() ?? "";
  const chosen = [...box.querySelectorAll("select")].filter((select) => select.value);
  let shown = 0;
  for (const row of rows) {
    const fits = chosen.every((select) => valueOf(row, select.dataset.column) === select.value);
    row.hidden = !fits || !row.textContent.toLowerCase().includes(words);
    shown += !row.hidden;
  }
  box.querySelector("output").textContent = `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows`;
}

for (const table of document.querySelectorAll("table.sortable")) {
  const rows = [...table.tBodies[0].rows];
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(heading, rows));
    heading.append(button);
  }
  const box = table.closest(".table").querySelector(".filters");
  if (!box) continue;
  for (const select of box.querySelectorAll("select")) {
    const values = new Set(rows.map((row) => valueOf(row, select.dataset.column)));
    values.delete("");
    for (const value of [...values].sort(order.compare)) select.append(new Option(value));
  }
  box.addEventListener("input", () => filter(box, rows));
  box.hidden = false;
  filter(box, rows);
}

const dialog = document.createElement("dialog");
const enlarged = document.createElement("img");
const caption = document.createElement("p");
const close = document.createElement("button");
close.textContent = "Close";
dialog.ariaLabel = "Enlarged picture";
dialog.append(close, enlarged, caption);
dialog.addEventListener("click", () => dialog.close());
document.body.append(dialog);

for (const picture of document.querySelectorAll("main img")) {
  const enlarge = () => {
    enlarged.src = picture.src;
    enlarged.alt = picture.alt;
    caption.textContent = picture.closest("figure")?.querySelector("figcaption")?.textContent ?? picture.alt;
    dialog.showModal();
  };
  picture.tabIndex = 0;
  picture.role = "button";
  picture.addEventListener("click", enlarge);
  picture.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    enlarge();
  });
}
