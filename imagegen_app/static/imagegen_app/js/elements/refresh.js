// <imagegen-refresh src="…">: keeps its content fresh by conditional polling.
// Slower and slower while nothing changes, paused while the page is hidden, and done when the
// content says so (data-done). Focus stays where it was.

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
      // The network is away; the next poll tries again.
    }
    if (this.querySelector("[data-done]")) return;
    this.delay = nextDelay(this.delay, changed);
    this.schedule(this.delay);
  }

  // The session ended: say so above what is shown, and offer the way back to this page.
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
    // A form's token belongs to the page, not to the answer of a poll.
    const token = this.querySelector("[name=csrfmiddlewaretoken]");
    if (token) {
      for (const input of fresh.querySelectorAll("[name=csrfmiddlewaretoken]")) {
        input.value = token.value;
      }
    }
    this.replaceChildren(...fresh.childNodes);
    if (focused) {
      const again = [...this.querySelectorAll("[name],[href]")].find(
        (e) => e.getAttribute("name") === focused || e.getAttribute("href") === focused,
      );
      if (again) again.focus();
    }
    return true;
  }
}

customElements.define("imagegen-refresh", Refresh);
