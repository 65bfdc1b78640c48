// <imagegen-desk>: one image after the other, decided by single keys. The next case is fetched ahead, so that a
// decision shows it at once; a decision that the server refuses brings its case back with the reason.
// Without script the same buttons post a form, and the links lead on.

import { define } from "../lib/define.js";
import { parse } from "../lib/html.js";
import { TABLES } from "../lib/key-tables.js";
import { actOf, isTyping, matches } from "../lib/keys.js";
import { matchChildren } from "../lib/morph.js";

class Desk extends HTMLElement {
  connectedCallback() {
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    this.addEventListener("keydown", (event) => this.onKey(event), { signal });
    this.addEventListener("click", (event) => this.onClick(event), { signal });
    this.addEventListener("submit", (event) => this.onSubmit(event), { signal });
    this.addEventListener("dblclick", (event) => event.target.closest("[data-zoom]") && this.zoom(), { signal });
    window.addEventListener("popstate", () => this.open(location.href, { isBack: true }), { signal });
    window.addEventListener("resize", () => this.measure(), { signal });
    this.measure();
    this.prefetch();
    if (this.heading && !this.contains(document.activeElement)) this.heading.focus({ preventScroll: true });
  }

  disconnectedCallback() {
    this.listeners?.abort();
    this.loading?.abort();
  }

  // How much of the window is taken above the case: themes and their bars differ.
  measure() {
    const above = this.getBoundingClientRect().top + window.scrollY;
    this.style.setProperty("--desk-above", `${Math.round(above) + 24}px`);
  }

  get shown() {
    return this.querySelector("[data-case]");
  }

  get heading() {
    return this.querySelector("[data-heading]");
  }

  onKey(event) {
    if (event.defaultPrevented || event.altKey) return;
    if (this.armed && (matches(event, "mod+Enter") || (event.key === "Enter" && event.target.localName === "select"))) {
      event.preventDefault();
      this.press(this.armed);
      return;
    }
    if (event.key === "Escape" && isTyping(event)) {
      event.preventDefault();
      this.disarm();
      this.heading.focus();
      return;
    }
    if (isTyping(event) || event.ctrlKey || event.metaKey) return;
    if (event.target.matches("input[type=radio]") && event.key.startsWith("Arrow")) return;
    if (event.target.closest(".is-zoomed") && event.key.startsWith("Arrow")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const button = this.querySelector(`[data-decide="${CSS.escape(key)}"]`);
    if (button) {
      event.preventDefault();
      this.press(button);
      return;
    }
    const act = actOf(event, TABLES.desk);
    if (act === "zoom") {
      event.preventDefault();
      this.zoom();
      return;
    }
    const isMirrored = key.startsWith("Arrow") && getComputedStyle(this).direction === "rtl";
    const way = isMirrored ? { next: "previous", previous: "next" }[act] : act;
    const link = way && this.querySelector(`[data-go="${way}"]`);
    if (link) {
      event.preventDefault();
      this.open(link.href);
    }
  }

  onClick(event) {
    if (event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (event.target.closest("[data-zoom-toggle]")) {
      event.preventDefault();
      this.zoom();
      return;
    }
    const link = event.target.closest("[data-go]");
    if (!link) return;
    event.preventDefault();
    this.open(link.href);
  }

  onSubmit(event) {
    if (!event.target.matches("[data-decision]")) return;
    event.preventDefault();
    if (event.submitter) this.press(event.submitter);
  }

  // Carries a decision out, or says and focuses what it still needs.
  press(button) {
    if (this.isSending) {
      // Carried out once the one before is saved, if its image is still there.
      this.queued = button;
      return;
    }
    const form = button.form;
    if (button.getAttribute("aria-disabled") === "true") {
      this.complain(this.querySelector("#imagegen-why-not").textContent, button);
      return;
    }
    const fault = this.faultOf(button, form);
    if (fault) {
      this.arm(button);
      this.complain(fault.text, fault.field);
      return;
    }
    this.send(button, form);
  }

  faultOf(button, form) {
    const note = form.elements.note;
    if (button.dataset.needs && !form.elements[button.dataset.needs].value.trim()) {
      return { text: button.dataset.missing, field: form.elements[button.dataset.needs] };
    }
    if (!("checklist" in button.dataset)) return null;
    const open = [...form.querySelectorAll("[data-question]")].find((one) => !one.querySelector(":checked"));
    if (open) return { text: this.dataset.unanswered, field: open.querySelector("input") };
    if (form.querySelector('[data-question] [value="no"]:checked') && !note.value.trim()) {
      return { text: this.dataset.explain, field: note };
    }
    return null;
  }

  disarm() {
    this.armed?.classList.remove("is-armed");
    this.armed = null;
    const complaint = this.querySelector("[data-complaint]");
    if (complaint) complaint.textContent = "";
    for (const one of this.querySelectorAll("[aria-invalid]")) one.removeAttribute("aria-invalid");
  }

  arm(button) {
    this.disarm();
    this.armed = button;
    button.classList.add("is-armed");
  }

  complain(text, field) {
    const place = this.querySelector("[data-complaint]");
    place.textContent = "";
    place.textContent = text;
    for (const one of this.querySelectorAll("[aria-invalid]")) one.removeAttribute("aria-invalid");
    if (field.matches("textarea, select")) field.setAttribute("aria-invalid", "true");
    field.focus();
  }

  async send(button, form) {
    this.isSending = true;
    const before = this.shown;
    const from = location.href;
    const body = new FormData(form, button);
    const ahead = this.ahead;
    form.setAttribute("aria-busy", "true");
    if (ahead) this.show(ahead, ahead.dataset.url);
    try {
      const response = await fetch(fragmentOf(form.action), { method: "POST", body, credentials: "same-origin" });
      if (response.redirected || response.status === 403) {
        this.restore(before, from, this.dataset.signedOut);
        return;
      }
      const fresh = parse(await response.text()).querySelector("[data-case]");
      if (!fresh || (!response.ok && response.status !== 422)) throw new Error("no case");
      if (response.ok) this.confirm(fresh, before);
      else this.refuse(fresh, from);
    } catch {
      this.restore(before, from, this.dataset.failed);
    } finally {
      this.isSending = false;
      before.querySelector("form")?.removeAttribute("aria-busy");
    }
    this.prefetch();
    const queued = this.queued;
    this.queued = null;
    if (queued?.isConnected) this.press(queued);
  }

  // The server has decided: what it answers is shown, unless the person has gone on meanwhile. A case that was
  // fetched while the decision was on its way is not shown yet.
  confirm(fresh, before) {
    const words = fresh.querySelector("[data-say]")?.content.textContent || "";
    if (this.shown.dataset.case !== fresh.dataset.case) {
      if (!this.ahead || this.shown === before) this.show(document.importNode(fresh, true), fresh.dataset.url);
    } else {
      matchChildren(this.shown, fresh);
    }
    this.say(`${words} ${this.heading.textContent}`);
    this.dispatchEvent(new CustomEvent("imagegen:decided", { bubbles: true, detail: { words } }));
  }

  refuse(fresh, url) {
    const back = document.importNode(fresh, true);
    this.show(back, url, { replaces: true });
    // Spoken by the status line, since an alert that comes with its text may stay silent.
    this.say(back.querySelector("[role=alert]")?.textContent.trim() || "");
  }

  restore(before, url, text) {
    this.show(before, url, { replaces: true });
    this.complain(text, this.heading);
  }

  async open(url, { isBack = false } = {}) {
    if (this.isSending && !isBack) return;
    const ahead = this.ahead;
    if (!isBack && ahead && sameAddress(ahead.dataset.url, url)) {
      this.show(ahead, url);
    } else {
      const found = await this.load(url).catch(() => null);
      if (!found) {
        location.assign(url);
        return;
      }
      this.show(found, isBack ? null : url);
    }
    this.say(this.heading.textContent);
    this.prefetch();
  }

  show(node, url, { replaces = false } = {}) {
    this.loading?.abort();
    this.ahead = null;
    this.armed = null;
    this.shown.replaceWith(node);
    if (url && replaces) history.replaceState(null, "", url);
    else if (url && !sameAddress(url, location.href)) history.pushState(null, "", url);
    document.title = document.title.replace(/^[^|]*/, `${this.heading.textContent} `);
    this.heading.focus({ preventScroll: true });
  }

  // Fetches the case that "next" leads to, with its picture.
  async prefetch() {
    const { next, picture } = this.shown.dataset;
    if (!next || this.ahead) return;
    if (picture) new Image().src = picture;
    const origin = this.shown;
    const found = await this.load(next).catch(() => null);
    if (this.isConnected && this.shown === origin) this.ahead = found;
  }

  async load(url) {
    this.loading?.abort();
    this.loading = new AbortController();
    const response = await fetch(fragmentOf(url), { credentials: "same-origin", signal: this.loading.signal });
    if (!response.ok || response.redirected) return null;
    const found = parse(await response.text()).querySelector("[data-case]");
    return found && document.importNode(found, true);
  }

  zoom() {
    const stage = this.querySelector("[data-zoom]");
    const picture = stage?.querySelector("img");
    if (!picture) return;
    const isZoomed = stage.classList.toggle("is-zoomed");
    if (isZoomed && picture.src !== picture.dataset.large) picture.src = picture.dataset.large;
    stage.focus({ preventScroll: true });
  }

  say(text) {
    const place = this.querySelector("[data-said]");
    if (place) place.textContent = text;
  }
}

function fragmentOf(url) {
  const address = new URL(url, location.href);
  address.searchParams.set("fragment", "1");
  return address.href;
}

function sameAddress(one, other) {
  return new URL(one, location.href).href === new URL(other, location.href).href;
}

define("imagegen-desk", Desk);
