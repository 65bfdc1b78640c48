// <imagegen-notify>: tells a person who looks elsewhere that images are ready: in the title of the tab, and by
// the browser's notifications, for which it asks only when its button is pressed.
//
// data-ready is the sentence, with {count}; data-label and data-denied are the button's texts.

import { define } from "../lib/define.js";
import { sentence } from "../lib/html.js";

const WANTED = "imagegen-notify";

class Notify extends HTMLElement {
  connectedCallback() {
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    this.usualTitle = document.title;
    this.known = this.count();
    this.button = this.querySelector("button");
    document.addEventListener("imagegen:updated", () => this.look(), { signal });
    document.addEventListener("visibilitychange", () => this.seen(), { signal });
    if (!this.button || !("Notification" in window)) return;
    this.button.addEventListener("click", () => this.toggle(), { signal });
    this.button.hidden = false;
    this.paint();
  }

  disconnectedCallback() {
    this.listeners.abort();
    document.title = this.usualTitle;
  }

  get isWanted() {
    return sessionStorage.getItem(WANTED) === "yes" && Notification.permission === "granted";
  }

  count() {
    return document.querySelectorAll("imagegen-live [data-ready-image]").length;
  }

  look() {
    const fresh = this.count() - this.known;
    if (fresh <= 0 || !document.hidden) {
      this.known = this.count();
      return;
    }
    document.title = `(${fresh}) ${this.usualTitle}`;
    if (this.told === fresh || !("Notification" in window) || !this.isWanted) return;
    this.told = fresh;
    new Notification(this.usualTitle, { body: sentence(this.dataset.ready, { count: fresh }), tag: "imagegen" });
  }

  seen() {
    if (document.hidden) return;
    this.known = this.count();
    this.told = 0;
    document.title = this.usualTitle;
  }

  async toggle() {
    const wants = !this.isWanted;
    if (wants) await Notification.requestPermission();
    sessionStorage.setItem(WANTED, wants ? "yes" : "no");
    this.paint();
  }

  paint() {
    this.button.setAttribute("aria-pressed", String(this.isWanted));
    const isDenied = Notification.permission === "denied";
    this.button.disabled = isDenied;
    this.button.textContent = isDenied ? this.dataset.denied : this.dataset.label;
  }
}

define("imagegen-notify", Notify);
