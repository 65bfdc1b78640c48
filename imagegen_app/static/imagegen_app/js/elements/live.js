// <imagegen-live src="…">: keeps its content fresh by conditional polling.
//
// Polls less often while nothing changes, pauses while the page is hidden (with the attribute "background":
// polls seldom), and stops when the content has data-done. What is equal stays the same node (lib/morph.js), so that nothing moves that a person holds.
// What stands in data-say of the content (or in a <template data-say="key">) is spoken when it is new, by the
// element with data-said. data-stale is the sentence for a server that does not answer, with {time};
// data-signed-out and data-sign-in are those for a session that has ended. The speaking element is of the page
// and not of the fragment, so it has data-own.
//
// Tells "imagegen:updated" after each change, "imagegen:finished" and "imagegen:signed-out".

import { nextDelay, retryAfter, spread } from "../lib/backoff.js";
import { define } from "../lib/define.js";
import { parse, sentence } from "../lib/html.js";
import { matchChildren } from "../lib/morph.js";

const SAY_EVERY = 3000;
const STALE_AFTER = 15000;
const HIDDEN_DELAY = 5000;

class Live extends HTMLElement {
  connectedCallback() {
    if (this.hasAttribute("done")) return;
    this.listeners = new AbortController();
    this.etag = "";
    this.delay = nextDelay(0, true);
    this.changedAt = Date.now();
    this.answeredAt = Date.now();
    this.spoken = this.querySelector("[data-said]")?.textContent || "";
    const { signal } = this.listeners;
    document.addEventListener("visibilitychange", () => !document.hidden && this.schedule(0), { signal });
    // Another tab changed something: look at once.
    this.channel = new BroadcastChannel("imagegen");
    this.channel.addEventListener("message", () => this.schedule(0), { signal });
    this.schedule(this.delay);
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    clearTimeout(this.speech);
    this.listeners?.abort();
    this.channel?.close();
  }

  schedule(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.poll(), milliseconds);
  }

  async poll() {
    if (!this.isConnected || (document.hidden && !this.hasAttribute("background"))) return;
    let changed = false;
    let wait = 0;
    try {
      const response = await fetch(this.getAttribute("src"), {
        credentials: "same-origin",
        headers: this.etag ? { "If-None-Match": this.etag } : {},
      });
      if (response.redirected || response.status === 401) {
        this.showSignedOut();
        return;
      }
      if (response.status === 403 || response.status === 404) return;
      wait = retryAfter(response.headers.get("Retry-After"));
      if (response.ok || response.status === 304) this.answeredAt = Date.now();
      if (response.status === 200) {
        this.etag = response.headers.get("ETag") || "";
        this.update(parse(await response.text()));
        changed = true;
      }
    } catch {
      // No network; the next poll tries again.
    }
    this.showStale(Date.now() - this.answeredAt >= STALE_AFTER);
    if (!this.isConnected) return;
    if (this.querySelector("[data-done]")) {
      this.dispatchEvent(new CustomEvent("imagegen:finished", { bubbles: true }));
      return;
    }
    if (changed) this.changedAt = Date.now();
    this.delay = nextDelay(this.delay, changed, Date.now() - this.changedAt);
    const least = document.hidden ? HIDDEN_DELAY : 0;
    this.schedule(Math.max(wait, least, spread(this.delay, Math.random())));
  }

  update(fresh) {
    const focused = this.contains(document.activeElement) ? document.activeElement : null;
    const name = focused?.getAttribute("name") || focused?.getAttribute("href");
    matchChildren(this, fresh);
    if (focused && !this.contains(document.activeElement)) this.refocus(name);
    this.say();
    this.dispatchEvent(new CustomEvent("imagegen:updated", { bubbles: true }));
  }

  // What had the focus is gone: the part that came in its place, else the content itself.
  refocus(name) {
    const same = [...this.querySelectorAll("[name], [href]")].find(
      (one) => name && (one.getAttribute("name") === name || one.getAttribute("href") === name),
    );
    if (same) {
      same.focus();
      return;
    }
    this.tabIndex = -1;
    this.focus({ preventScroll: true });
  }

  // The session ended: a notice with a link that signs in again and returns to this page.
  showSignedOut() {
    if (this.querySelector("[data-notice]")) return;
    const notice = document.createElement("p");
    notice.className = "imagegen-refusal";
    notice.dataset.own = "";
    notice.dataset.notice = "";
    notice.setAttribute("role", "alert");
    const link = document.createElement("a");
    link.href = window.location.href;
    link.textContent = this.dataset.signIn || "";
    notice.append(this.dataset.signedOut || "", " ", link);
    this.prepend(notice);
    this.dispatchEvent(new CustomEvent("imagegen:signed-out", { bubbles: true }));
  }

  // The server does not answer: what is shown stays, and says of when it is.
  showStale(isStale) {
    let notice = this.querySelector(":scope > [data-stale-notice]");
    if (!isStale || !this.dataset.stale) {
      notice?.remove();
      return;
    }
    if (!notice) {
      notice = document.createElement("p");
      notice.className = "imagegen-note";
      notice.dataset.own = "";
      notice.dataset.staleNotice = "";
      this.prepend(notice);
    }
    const time = new Date(this.answeredAt).toLocaleTimeString(document.documentElement.lang || undefined, {
      hour: "2-digit",
      minute: "2-digit",
    });
    notice.textContent = sentence(this.dataset.stale, { time });
  }

  // Speaks what is new, seldom enough to be heard; of several sentences the last one.
  say() {
    const said = this.querySelector("[data-said]");
    const source = this.querySelector("[data-say]");
    if (!said || !source) return;
    const text = source.localName === "template" ? source.content.textContent.trim() : source.dataset.say;
    if (text === this.spoken) return;
    this.spoken = text;
    clearTimeout(this.speech);
    const wait = Math.max(0, (this.saidAt || 0) + SAY_EVERY - Date.now());
    const speak = () => {
      this.saidAt = Date.now();
      said.textContent = text;
    };
    if (wait === 0) speak();
    else this.speech = setTimeout(speak, wait);
  }
}

define("imagegen-live", Live);
