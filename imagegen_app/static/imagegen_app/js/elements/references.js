// <imagegen-references>: one place for the images to start from. Files are dragged in, pasted or chosen, images
// of the library dragged in or chosen; each is a row with its role, and a button that removes it.
//
// The rows of files stand for what the form's own inputs hold, one for each role; those of the library are
// fields of the form, which the server renders. Without script the inputs are used as they are.

import { define } from "../lib/define.js";
import { heir } from "../lib/focus.js";
import { sentence } from "../lib/html.js";
import { firstWithRoom, imagesOf, put, take } from "../lib/files.js";

const TYPE = "application/x-imagegen-asset";

class References extends HTMLElement {
  connectedCallback() {
    this.form = this.closest("form");
    if (!this.form) return;
    this.stop = new AbortController();
    const options = { signal: this.stop.signal };
    for (const one of this.querySelectorAll("[data-needs-script]")) one.hidden = false;
    this.rows = this.querySelector("[data-rows]");
    this.zone = this.querySelector("[data-drop]");
    this.addEventListener("click", (event) => this.press(event), options);
    this.addEventListener("change", (event) => this.changed(event), options);
    this.addEventListener("keydown", (event) => this.key(event), options);
    this.addEventListener("imagegen:chosen", (event) => this.addAsset(event.detail.asset, event.detail.alt), options);
    this.form.addEventListener("dragover", (event) => this.over(event), options);
    this.form.addEventListener("dragleave", () => this.zone.classList.remove("is-over"), options);
    this.form.addEventListener("drop", (event) => this.drop(event), options);
    document.addEventListener("paste", (event) => this.paste(event), options);
    document.addEventListener("dragstart", (event) => this.drag(event), options);
    this.show();
  }

  disconnectedCallback() {
    this.stop?.abort();
  }

  get inputs() {
    return [...this.querySelectorAll("input[type=file][data-role]")];
  }

  // Whether the model takes no more images, whatever for; masks do not count.
  get isFull() {
    const taken = this.rows.querySelectorAll("input[type=checkbox]").length;
    const files = this.inputs.filter((input) => input.dataset.role !== "mask").map((input) => input.files.length);
    return files.reduce((sum, count) => sum + count, taken) >= Number(this.getAttribute("most"));
  }

  // Draws the rows of files anew, from what the inputs hold.
  show() {
    for (const row of this.rows.querySelectorAll("[data-of]")) row.remove();
    for (const input of this.inputs) {
      [...input.files].forEach((file, index) => this.rows.append(this.row(input, file, index)));
    }
    for (const row of this.rows.children) row.toggleAttribute("data-guide", this.role(row).startsWith("control"));
  }

  row(input, file, index) {
    const row = this.querySelector("template[data-file]").content.firstElementChild.cloneNode(true);
    row.dataset.of = input.name;
    row.dataset.index = String(index);
    const image = row.querySelector("img");
    image.src = URL.createObjectURL(file);
    for (const name of ["load", "error"]) image.addEventListener(name, () => URL.revokeObjectURL(image.src), { once: true });
    row.querySelector("[data-name]").textContent = file.name;
    const select = row.querySelector("select");
    select.value = this.roleOf(input);
    select.id = `${input.name}-${index}-role`;
    const button = row.querySelector("button");
    button.id = `${input.name}-${index}-remove`;
    button.setAttribute("aria-label", `${button.ariaLabel}: ${file.name}`);
    return row;
  }

  // The role of an input's files; of a guide's with its kind.
  roleOf(input) {
    const kind = this.kindOf(input)?.value;
    return kind ? `${input.dataset.role}:${kind}` : input.dataset.role;
  }

  kindOf(input) {
    return input.dataset.role === "control" ? this.form.elements.namedItem(input.name.replace("_file", "_kind")) : null;
  }

  role(row) {
    return row.querySelector("select")?.value ?? "";
  }

  over(event) {
    const types = event.dataTransfer?.types ?? [];
    if (!types.includes("Files") && !types.includes(TYPE)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = types.includes(TYPE) ? "link" : "copy";
    this.zone.classList.add("is-over");
  }

  drop(event) {
    this.zone.classList.remove("is-over");
    const asset = event.dataTransfer.getData(TYPE);
    if (!asset && !event.dataTransfer.files.length) return;
    event.preventDefault();
    if (asset) this.addAsset(asset, "");
    else this.addFiles([...event.dataTransfer.files]);
  }

  // An image of the session that is dragged out of the stage is the image of the library, and no new file.
  drag(event) {
    const tile = event.target.closest?.("[data-asset]");
    if (!tile) return;
    event.dataTransfer.clearData();
    event.dataTransfer.setData(TYPE, tile.dataset.asset);
    event.dataTransfer.effectAllowed = "copyLink";
  }

  paste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    const isText = event.clipboardData?.types.includes("text/plain");
    if (!files.length || isText || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    this.addFiles(files);
  }

  addFiles(files) {
    this.problem("");
    const images = imagesOf(files);
    if (images.length < files.length) this.problem(this.dataset.noImage);
    let last = null;
    for (const file of images) {
      const input = this.isFull ? null : firstWithRoom(this.inputs);
      if (!input) {
        this.problem(this.dataset.full);
        break;
      }
      if (file.size > Number(input.dataset.mostBytes)) {
        this.problem(sentence(input.dataset.tooLarge, { name: file.name }));
        continue;
      }
      put(input, file);
      last = input;
      this.tell(this.dataset.added, file.name, this.label(this.roleOf(input)));
    }
    if (!last) return;
    this.show();
    this.dispatchEvent(new CustomEvent("imagegen:added", { bubbles: true, detail: { files: images } }));
    last.dispatchEvent(new Event("change", { bubbles: true }));
  }

  // The server renders the row of an image of the library, for whoever may use it.
  addAsset(asset, name) {
    this.problem("");
    const known = [...this.rows.querySelectorAll("input[type=checkbox]")];
    if (known.some((box) => box.value === asset)) return;
    if (this.isFull) {
      this.problem(this.dataset.full);
      return;
    }
    const numbers = known.map((box) => Number(box.name.replace("taken_", "")));
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = `taken_${Math.max(-1, ...numbers) + 1}`;
    field.value = asset;
    this.append(field);
    this.tell(this.dataset.added, name, this.label(this.querySelector("template[data-file]").content.querySelector("option")?.value));
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }

  label(role) {
    const options = [...this.querySelector("template[data-file]").content.querySelectorAll("option")];
    return options.find((option) => option.value === role)?.textContent ?? "";
  }

  press(event) {
    const act = event.target.closest("[data-act]")?.dataset.act;
    if (act === "remove") this.removeRow(event.target.closest(".imagegen-reference"));
    if (act !== "files") return;
    const input = document.createElement("input");
    input.type = "file";
    input.multiple = true;
    input.accept = this.inputs[0]?.accept ?? "image/*";
    input.addEventListener("change", () => this.addFiles([...input.files]));
    input.click();
  }

  key(event) {
    const row = event.target.closest(".imagegen-reference");
    if (!row || event.target.matches("input[type=number]") || !["Delete", "Backspace"].includes(event.key)) return;
    event.preventDefault();
    this.removeRow(row);
  }

  removeRow(row) {
    const next = heir([...this.rows.children], row);
    const name = row.querySelector("[data-name]").textContent.trim();
    const input = this.inputOf(row);
    if (input) take(input, Number(row.dataset.index));
    const at = next ? [...this.rows.children].filter((one) => one !== row).indexOf(next) : -1;
    row.remove();
    this.show();
    this.problem("");
    this.tell(this.dataset.removed, name, "");
    const target = this.rows.children[at]?.querySelector("[data-act=remove]") ?? this.querySelector("[data-act=files]");
    target.focus();
    (input ?? this.rows).dispatchEvent(new Event("change", { bubbles: true }));
  }

  inputOf(row) {
    return this.inputs.find((input) => input.name === row.dataset.of);
  }

  changed(event) {
    if (event.target.type === "file") {
      this.show();
      return;
    }
    const row = event.target.closest("[data-of]");
    if (!row || event.target.localName !== "select") return;
    event.stopPropagation();
    this.move(row, event.target.value);
  }

  // Moves a file to the input of another role.
  move(row, wanted) {
    const [role, kind = ""] = wanted.split(":");
    const from = this.inputOf(row);
    const ofRole = this.inputs.filter((one) => one.dataset.role === role);
    const to = from.dataset.role === role ? from : firstWithRoom(ofRole, { withMask: true });
    this.problem(to ? "" : this.dataset.notTaken);
    if (to && to !== from) put(to, take(from, Number(row.dataset.index)));
    const field = to && this.kindOf(to);
    if (field) field.value = kind;
    this.show();
    const moved = [...this.rows.querySelectorAll("[data-of]")].filter((one) => one.dataset.of === (to ?? from).name);
    moved.at(-1)?.querySelector("select").focus();
    if (to) to.dispatchEvent(new Event("change", { bubbles: true }));
  }

  problem(text) {
    this.form.querySelector("[data-reference-problem]").textContent = text;
  }

  tell(text, name, role) {
    this.form.querySelector("[data-reference-told]").textContent = sentence(text, { name, role });
  }
}

define("imagegen-references", References);
