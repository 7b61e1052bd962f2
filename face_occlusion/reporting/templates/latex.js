// A button below each table copies it as LaTeX, for booktabs, as it is shown: sorted and filtered.
// LATEX holds what tables.py writes its files with: the pattern of a minus and what is escaped.
(() => {
  const PROSE = 60;  // characters; a column with longer cells breaks its lines
  const minus = new RegExp(LATEX.minus, "g");
  const escape = (text) => [...text.replace(minus, "−")].map((c) => LATEX.escapes[c] ?? c).join("");
  const isShown = (element) => !element.hidden && getComputedStyle(element).display !== "none";

  function write(node) {
    if (node.nodeType === Node.TEXT_NODE) return escape(node.data.replace(/\s+/g, " "));
    if (node.nodeType !== Node.ELEMENT_NODE || !isShown(node)) return "";
    const text = [...node.childNodes].map(write).join("").trim();
    if (!text) return "";
    if (node.matches("strong, b")) return `\\textbf{${text}}`;
    return node.matches("small") ? ` {\\scriptsize ${text}}` : text;
  }
  const inCell = (cell) => [...cell.childNodes].map(write).join("").replace(/ +/g, " ").trim();
  function writeRow(row, before) {
    const cells = [...row.cells].filter(isShown).map((cell) =>
      cell.colSpan > 1 ? `\\multicolumn{${cell.colSpan}}{c}{${inCell(cell)}}` : inCell(cell));
    return `${[...Array(before).fill(""), ...cells].join(" & ")} \\\\`;
  }
  function writeTable(table) {
    const rows = [...table.tBodies[0].rows].filter(isShown);
    const columns = [...rows[0].cells].filter(isShown).map((_, i) => {
      const longest = Math.max(...rows.map((row) => [...row.cells].filter(isShown)[i].innerText.length));
      return longest > PROSE ? "p{6cm}" : table.matches(".scores") && i ? "r" : "l";
    });
    // Cells that span both rows of a head stand in the first and leave a gap in the second.
    const spanning = [...(table.tHead?.rows[0].cells ?? [])].filter((cell) => cell.rowSpan > 1).length;
    const head = [...(table.tHead?.rows ?? [])].map((row, i) => writeRow(row, i ? spanning : 0));
    const body = rows.map((row) => writeRow(row, 0));
    return [`\\begin{tabular}{${columns.join("")}}`, "\\toprule",
      ...(head.length ? [...head, "\\midrule"] : []), ...body, "\\bottomrule", "\\end{tabular}", ""].join("\n");
  }
  for (const table of document.querySelectorAll("main table")) {
    const button = document.createElement("button"), label = "Copy as LaTeX";
    button.type = "button";
    button.className = "copy";
    button.textContent = label;
    button.addEventListener("click", async () => {
      const said = await navigator.clipboard.writeText(writeTable(table)).then(
        () => "Copied", (error) => `Not copied: ${error.message}`);
      button.textContent = said;
      setTimeout(() => { button.textContent = label; }, 2000);
    });
    table.closest(".scroll").after(button);
  }
})();
