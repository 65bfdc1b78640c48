// <imagegen-refresh src="…">: keeps its content fresh by conditional polling.
// Polls less often while nothing changes, pauses while the page is hidden, and stops when the
// content contains data-done. Keeps the focus, and images of the same data-keep.
// What stands in data-say of the content is spoken when it changes, by the element with data-said.

import { nextDelay } from "../lib/backoff.js";

class Refresh extends HTMLElement {
  connectedCallback() {
    if (this.hasAttribute("done")) return;
    this.etag = "";
    this.delay = nextDelay(0, true);
    this.onVisible = () => {
      if (!document.hidden) this.schedule(0);
    };
    document.addEventListener("visibilitychange", this.onVisible);
    this.schedule(this.delay);
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.onVisible);
  }

  schedule(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.poll(), milliseconds);
  }

  async poll() {
    if (document.hidden) return;
    let changed = false;
    try {
      const response = await fetch(this.getAttribute("src"), {
        credentials: "same-origin",
        headers: this.etag ? { "If-None-Match": this.etag } : {},
      });
      if (response.redirected) {
        this.signedOut();
        return;
      }
      if (response.status === 403 || response.status === 404) return;
      if (response.status === 200) {
        this.etag = response.headers.get("ETag") || "";
        changed = this.swap(await response.text());
      }
    } catch {
      // No network; the next poll tries again.
    }
    if (this.querySelector("[data-done]")) return;
    this.delay = nextDelay(this.delay, changed);
    this.schedule(this.delay);
  }

  // The session ended: show a notice with a link that signs in again and returns to this page.
  signedOut() {
    const notice = document.createElement("p");
    notice.className = "imagegen-refusal";
    notice.setAttribute("role", "alert");
    const link = document.createElement("a");
    link.href = window.location.href;
    link.textContent = this.dataset.signIn || "";
    notice.append(this.dataset.signedOut || "", " ", link);
    this.prepend(notice);
  }

  swap(html) {
    const focused = this.contains(document.activeElement)
      ? document.activeElement.getAttribute("name") || document.activeElement.getAttribute("href")
      : null;
    const fresh = new DOMParser().parseFromString(html, "text/html").body;
    // Keep the CSRF token of the page; that in the response of a poll is another one.
    const token = this.querySelector("[name=csrfmiddlewaretoken]");
    if (token) {
      for (const input of fresh.querySelectorAll("[name=csrfmiddlewaretoken]")) {
        input.value = token.value;
      }
    }
    const kept = this.keptImages(fresh);
    const said = this.querySelector("[data-said]");
    for (const child of [...this.childNodes]) if (child !== said) child.remove();
    this.append(...fresh.childNodes);
    for (const [place, image] of kept) place.replaceWith(image);
    if (said) this.say(said);
    if (focused) {
      const target = [...this.querySelectorAll("[name],[href]")].find(
        (e) => e.getAttribute("name") === focused || e.getAttribute("href") === focused,
      );
      if (target) target.focus();
    }
    return true;
  }

  // An image that shows something newer stays the same element, which shows the old until the new is
  // loaded. It never leaves the page's document: it would be loaded anew.
  keptImages(fresh) {
    const kept = [];
    for (const image of fresh.querySelectorAll("img[data-keep]")) {
      const old = this.querySelector(`img[data-keep="${CSS.escape(image.dataset.keep)}"]`);
      if (!old) continue;
      const source = image.getAttribute("src");
      if (old.getAttribute("src") !== source) old.src = source;
      const place = document.createElement("span");
      image.replaceWith(place);
      kept.push([place, old]);
    }
    return kept;
  }

  // Only what is new: a percentage or a newer preview is not read out.
  say(said) {
    const source = this.querySelector("[data-say]");
    const text = source ? source.dataset.say : "";
    if (said.textContent !== text) said.textContent = text;
  }
}

customElements.define("imagegen-refresh", Refresh);
