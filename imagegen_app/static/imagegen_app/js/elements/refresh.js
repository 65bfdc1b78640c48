// <imagegen-refresh src="…">: keeps its content fresh by conditional polling.
// Polls less often while nothing changes, pauses while the page is hidden, and stops when the
// content contains data-done. Keeps the focus.

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
    this.replaceChildren(...fresh.childNodes);
    if (focused) {
      const target = [...this.querySelectorAll("[name],[href]")].find(
        (e) => e.getAttribute("name") === focused || e.getAttribute("href") === focused,
      );
      if (target) target.focus();
    }
    return true;
  }
}

customElements.define("imagegen-refresh", Refresh);
