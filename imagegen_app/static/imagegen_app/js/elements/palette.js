// The rows of a palette: the swatch follows the code, and a colour can be chosen by eye.
import { normalCode } from "../lib/colour-codes.js";
import { define } from "../lib/define.js";

class Palette extends HTMLElement {
  connectedCallback() {
    for (const row of this.querySelectorAll("[data-row]")) this.addPicker(row);
    this.addEventListener("input", (event) => this.follow(event));
    // Written in full where it is left: "1C4B8F" is what some programs copy.
    this.addEventListener("change", (event) => {
      const code = event.target.matches("[data-code]") && normalCode(event.target.value);
      if (code) event.target.value = code;
    });
  }

  addPicker(row) {
    const code = row.querySelector("[data-code]");
    const picker = document.createElement("input");
    picker.type = "color";
    picker.dataset.picker = "";
    picker.value = normalCode(code.value) || "#808080";
    picker.setAttribute("aria-label", `${this.dataset.choose}: ${code.getAttribute("aria-label")}`);
    row.append(picker);
  }

  follow(event) {
    const row = event.target.closest("[data-row]");
    const code = row?.querySelector("[data-code]");
    if (!code) return;
    const picker = row.querySelector("[data-picker]");
    if (event.target === picker) code.value = picker.value;
    else if (event.target !== code) return;
    const found = normalCode(code.value);
    row.querySelector("rect").setAttribute("fill", found || "none");
    if (found) picker.value = found;
  }
}

define("imagegen-palette", Palette);
