// "Generate" beside an image field: opens the studio in a dialog and receives the selected image.
// Events are delegated, so that rows added later work too.

import { isPick } from "../lib/pick.js";

let opener = null;
let dialog = null;

function build(label, close) {
  const box = document.createElement("dialog");
  box.className = "imagegen imagegen-dialog";
  box.setAttribute("aria-label", label);
  const bar = document.createElement("div");
  bar.className = "imagegen-dialog-bar";
  const title = document.createElement("strong");
  title.textContent = label;
  const closeButton = document.createElement("button");
  closeButton.type = "button";
  closeButton.className = "imagegen-button";
  closeButton.textContent = close;
  closeButton.addEventListener("click", () => box.close());
  const frame = document.createElement("iframe");
  frame.title = label;
  bar.append(title, closeButton);
  box.append(bar, frame);
  box.addEventListener("close", () => {
    frame.removeAttribute("src");
    box.remove();
    dialog = null;
    opener?.focus();
  });
  document.body.append(box);
  return box;
}

// Values of the form's own fields, so that an object need not be saved first.
function withFormValues(address, link) {
  const url = new URL(address, window.location.href);
  const form = link.closest("form");
  for (const pair of (link.dataset.variables || "").split(",").filter(Boolean)) {
    const [variable, name] = pair.split(":");
    const input = form?.elements.namedItem(name);
    const value = input?.selectedOptions ? input.selectedOptions[0]?.textContent : input?.value;
    if (value && value.trim()) url.searchParams.set(`v_${variable}`, value.trim());
  }
  return url;
}

// The links to what can be done to an image were made for the stored one; they follow the choice.
function follow(field, asset) {
  for (const link of field.querySelectorAll(".imagegen-quick [data-imagegen-open]")) {
    const url = new URL(link.href, window.location.href);
    url.searchParams.set("from", asset);
    url.searchParams.delete("content");
    link.href = url;
    link.closest("li").hidden = !asset;
  }
}

document.addEventListener("change", (event) => {
  const field = event.target.closest("[data-imagegen-field]");
  if (!field || event.target.tagName !== "SELECT") return;
  follow(field, event.target.value);
  field.querySelector("[data-picked]").hidden = true;
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-imagegen-open]");
  if (link) {
    event.preventDefault();
    opener = link;
    const url = withFormValues(link.href, link);
    url.searchParams.set("embed", "1");
    url.searchParams.set("field", link.dataset.imagegenOpen);
    dialog = build(link.dataset.label, link.dataset.close);
    dialog.querySelector("iframe").src = url;
    dialog.showModal();
    return;
  }
  const clear = event.target.closest("[data-imagegen-clear]");
  if (clear) {
    const field = clear.closest("[data-imagegen-field]");
    field.querySelector("input[type=hidden]").value = "";
    field.querySelector("[data-picked]").hidden = true;
    field.querySelector("[data-imagegen-open]").focus();
  }
});

window.addEventListener("message", (event) => {
  if (event.origin !== window.location.origin || !isPick(event.data) || !opener) return;
  if (dialog && event.source !== dialog.querySelector("iframe").contentWindow) return;
  const field = opener.closest("[data-imagegen-field]");
  const pick = event.data;
  const select = field.querySelector("select");
  if (select) {
    if (![...select.options].some((option) => option.value === pick.asset)) {
      select.add(new Option(pick.alt || pick.asset, pick.asset));
    }
    select.value = pick.asset;
    // A text that was written for the previous image would be wrong for this one.
    const altText = select.form?.elements.namedItem("alt_text");
    if (altText) altText.value = "";
  } else {
    const hidden = field.querySelector("input[type=hidden]");
    if (hidden) hidden.value = pick.token;
  }
  follow(field, pick.asset);
  // The studio itself shows what was picked among its references.
  const picked = field.querySelector("[data-picked]");
  if (picked) {
    picked.hidden = false;
    const image = picked.querySelector("img");
    image.src = pick.preview;
    image.alt = pick.alt;
    picked.querySelector("[data-waits]").hidden = pick.review === "approved";
  }
  field.dispatchEvent(new CustomEvent("imagegen:chosen", { bubbles: true, detail: pick }));
  dialog?.close();
});
