// <imagegen-grid src="…">: a list of images too long to hold. The server renders one page of it and links to
// its neighbours; pages are brought in as they come near, and let go when they are far away.
//
// All pages have one calculated height and lie at index × height in one box: nothing moves when one comes or
// goes. The address keeps the page on top, the history the tile and its place: "back" leads there to the pixel.
// One tile is a stop of the tab key; arrows lead to the others, Ctrl+End out. Tells "imagegen:paged".

import { define } from "../lib/define.js";
import { parse } from "../lib/html.js";
import { TABLES } from "../lib/key-tables.js";
import { actOf } from "../lib/keys.js";
import { dragTile, scrollerOf, setStops } from "../lib/tiles.js";
import { layout, near, PAGE_SIZE, step, tooFar } from "../lib/window.js";

const KEPT = 40;
const ABOVE = 20;
const UNASKED = 10;
const NOTE_AFTER = 400;
const LONGEST = 10_000_000;

class Grid extends HTMLElement {
  connectedCallback() {
    this.feed = this.querySelector("[data-feed]");
    const page = this.feed?.querySelector("[data-page]");
    if (!page) return;
    this.stop = new AbortController();
    const options = { signal: this.stop.signal };
    const here = new URLSearchParams(location.search);
    const side = here.has("after") ? "after" : "before";
    this.records = new Map([[0, this.record(page, here.has(side) ? { [side]: here.get(side) } : {})]]);
    this.low = this.high = 0;
    // Room for newer pages is there from the start: they come in without moving anything.
    this.base = this.records.get(0).newer ? -ABOVE : 0;
    this.unasked = this.room = 0;
    this.scroller = scrollerOf(this);
    document.documentElement.classList.add("imagegen-scrolls");
    this.feed.classList.add("is-window");
    this.querySelectorAll("[data-step]").forEach((link) => { link.hidden = true; });
    this.place(page, 0);
    this.resize();
    this.sizes = new ResizeObserver(() => this.offsetWidth !== this.width && this.resize());
    this.sizes.observe(this);
    this.addEventListener("keydown", (event) => this.key(event), options);
    this.addEventListener("focusin", (event) => this.rove(event.target.closest("[data-tile]")), options);
    this.addEventListener("dragstart", dragTile, options);
    this.addEventListener("click", (event) => this.press(event), options);
    document.addEventListener("scroll", () => this.scrolled(), { ...options, passive: true, capture: true });
    this.rove(this.querySelector("[data-tile]"));
    this.restore(page);
    this.update();
  }

  disconnectedCallback() {
    this.stop?.abort();
    this.sizes?.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.noting);
    this.frame = 0;
    for (const page of this.pages.slice(1)) page.remove();
    this.current = null;
    document.documentElement.classList.remove("imagegen-scrolls");
  }

  get pages() {
    return [...(this.feed?.children ?? [])].sort((a, b) => a.index - b.index);
  }

  record(page, query) {
    const { first, last, older, newer } = page.dataset;
    const count = older === undefined ? page.children.length : PAGE_SIZE;
    return { first, last, count, older: older !== undefined, newer: newer !== undefined, query, nodes: null };
  }

  place(page, index) {
    page.index = index;
    page.style.setProperty("--at", `${(index - this.base) * (this.sizesOf?.page ?? 0)}px`);
  }

  // The tile on top stays where it is, whatever the new width.
  resize() {
    const was = this.sizesOf?.page;
    const at = was ? this.feed.getBoundingClientRect().top / was : 0;
    this.width = this.offsetWidth;
    this.sizesOf = layout(this.width, parseFloat(getComputedStyle(document.documentElement).fontSize));
    this.feed.style.setProperty("--columns", String(this.sizesOf.columns));
    this.feed.style.setProperty("--row", `${this.sizesOf.row}px`);
    this.feed.style.setProperty("--tile", `${this.sizesOf.tile}px`);
    for (const page of this.feed.children) this.place(page, page.index);
    this.stretch();
    if (was) this.scroller.scrollBy(0, this.feed.getBoundingClientRect().top - at * this.sizesOf.page);
    else if (this.base) this.scroller.scrollBy(0, -this.base * this.sizesOf.page);
    this.update();
  }

  stretch() {
    const rows = this.records.get(this.high).count;
    const full = (this.high - this.base) * this.sizesOf.page;
    const end = Math.ceil(rows / this.sizesOf.columns) * (this.sizesOf.row + this.sizesOf.gap);
    this.feed.style.setProperty("--length", `${full + end + this.room}px`);
  }

  scrolled() {
    clearTimeout(this.noting);
    this.noting = setTimeout(() => this.note(), NOTE_AFTER);
    this.later();
  }

  later() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.update();
    });
  }

  update() {
    const { top } = this.feed.getBoundingClientRect();
    const [from, to] = near(-top, window.innerHeight, this.sizesOf.page).map((index) => index + this.base);
    for (const page of this.pages) {
      const isHeld = page.contains(document.activeElement) || this.feed.children.length === 1;
      if ((page.index < from || page.index > to) && !isHeld) this.release(page);
    }
    const shown = new Set([...this.feed.children].map((page) => page.index));
    for (let index = Math.max(from, this.low); index <= Math.min(to, this.high); index += 1) {
      if (!shown.has(index)) this.show(index);
    }
    if (to > this.high) this.load("after", { asked: false });
    if (from < this.low) this.load("before", { asked: false });
  }

  release(page) {
    this.records.get(page.index).nodes = page;
    page.remove();
    const kept = [...this.records].filter(([, record]) => record.nodes).map(([index]) => index);
    for (const index of tooFar(kept, page.index, KEPT)) this.records.get(index).nodes = null;
  }

  async show(index) {
    const record = this.records.get(index);
    if (record.coming) return;
    record.coming = true;
    try {
      const page = record.nodes ?? (await this.ask(record.query));
      if (page) this.insert(page, index);
    } finally {
      record.coming = false;
    }
  }

  insert(page, index) {
    this.place(page, index);
    this.feed.insertBefore(page, this.pages.find((other) => other.index > index) ?? null);
    this.records.get(index).nodes = null;
    this.dispatchEvent(new CustomEvent("imagegen:paged", { bubbles: true }));
  }

  async ask(query) {
    const url = new URL(this.getAttribute("src"), location.href);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const failed = this.querySelector("[data-failed]");
    try {
      const answer = await fetch(url, { credentials: "same-origin", signal: this.stop.signal });
      const page = answer.ok && !answer.redirected ? parse(await answer.text()).querySelector("[data-page]") : null;
      if (failed) failed.hidden = page !== null;
      return page && document.importNode(page, true);
    } catch (error) {
      if (failed && error.name !== "AbortError") failed.hidden = false;
      return null;
    }
  }

  async load(side, { asked }) {
    const edge = this.records.get(side === "after" ? this.high : this.low);
    if (!(side === "after" ? edge.older : edge.newer) || this.isLoading) return;
    const isFar = (this.high - this.base) * this.sizesOf.page > LONGEST;
    if (side === "after" && !asked && (this.unasked >= UNASKED || isFar)) {
      this.offer(true);
      return;
    }
    this.unasked = asked ? 0 : this.unasked + 1;
    this.isLoading = true;
    this.feed.setAttribute("aria-busy", "true");
    const query = { [side]: side === "after" ? edge.last : edge.first };
    const page = await this.ask(query);
    this.isLoading = false;
    this.feed.setAttribute("aria-busy", "false");
    if (!page || !this.isConnected) return;
    this.add(page, side, query);
    this.offer(false);
    this.later();
  }

  add(page, side, query) {
    const record = this.record(page, query);
    const index = side === "after" ? this.high + 1 : this.low - 1;
    this.records.set(index, record);
    this[side === "after" ? "high" : "low"] = index;
    if (side === "after") this.room = 0;
    if (index < this.base || (!record.newer && this.base < this.low)) {
      // A box that shrinks moves the view by itself: the way is counted from where the feed lies afterwards.
      const { top } = this.feed.getBoundingClientRect();
      const was = this.base;
      this.base = record.newer ? was - ABOVE : this.low;
      for (const other of this.feed.children) this.place(other, other.index);
      this.stretch();
      const wanted = top + (this.base - was) * this.sizesOf.page;
      this.scroller.scrollBy(0, this.feed.getBoundingClientRect().top - wanted);
    }
    this.stretch();
    this.insert(page, index);
  }

  // After some pages in a row nobody asked for, a link asks.
  offer(isOffered) {
    const link = this.querySelector("[data-step=older]");
    if (link) link.hidden = !isOffered;
  }

  press(event) {
    if (event.target.closest("[data-tile] a")) this.note(); // before it is left
    if (!event.target.closest("[data-step=older] a")) return;
    event.preventDefault();
    this.unasked = 0;
    this.load("after", { asked: true });
  }

  rove(tile) {
    if (!tile) return;
    if (this.current) setStops(this.current, -1);
    this.current = tile;
    setStops(tile, 0);
  }

  async key(event) {
    const tile = event.target.closest("[data-tile]");
    const act = tile && actOf(event, TABLES.library);
    if (act === "leave") {
      event.preventDefault();
      document.querySelector("#imagegen-after-library")?.focus();
      return;
    }
    if (!act) return;
    const page = tile.closest("[data-page]");
    const here = page.index * PAGE_SIZE + [...page.children].indexOf(tile);
    const offset = this.low * PAGE_SIZE;
    const to = step(here - offset, event.key, this.sizesOf.columns, getComputedStyle(this).direction === "rtl");
    if (to !== undefined) {
      event.preventDefault();
      this.go(await this.tile(to + offset, Math.sign(to + offset - here)));
    } else if (act === "choose" && event.target === tile) {
      event.preventDefault();
      tile.querySelector("[name=pick]")?.click();
    } else if (act === "open" && event.target === tile) {
      tile.querySelector("a").click();
    }
  }

  // Returns the tile of a number, brought in if need be; at an end, the last there is.
  async tile(number, way) {
    let index = Math.floor(number / PAGE_SIZE);
    if (index > this.high || index < this.low) await this.load(way > 0 ? "after" : "before", { asked: true });
    index = Math.max(this.low, Math.min(index, this.high));
    if (!this.pages.some((page) => page.index === index)) await this.show(index);
    const page = this.pages.find((other) => other.index === index);
    return page?.children[number - index * PAGE_SIZE] ?? (way > 0 ? page?.lastElementChild : page?.firstElementChild);
  }

  go(tile) {
    if (!tile) return;
    this.rove(tile);
    tile.focus({ preventScroll: true });
    tile.scrollIntoView({ block: "nearest" });
  }

  // The page on top stands in the address, and the tile with its place in the history.
  note() {
    const tile = [...this.feed.querySelectorAll("[data-tile]")].find((one) => one.getBoundingClientRect().bottom > 60);
    if (!tile) return;
    const url = new URL(location.href);
    url.searchParams.delete("after");
    url.searchParams.delete("before");
    const { query } = this.records.get(tile.closest("[data-page]").index);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    history.scrollRestoration = "manual";
    const place = { id: tile.dataset.id, top: tile.getBoundingClientRect().top };
    history.replaceState({ ...history.state, imagegenLibrary: place }, "", url);
  }

  restore(page) {
    const place = history.state?.imagegenLibrary;
    const tile = place && page.querySelector(`[data-id="${CSS.escape(place.id)}"]`);
    if (!tile) return;
    // Near the end of its page, a tile's place is reached only with room for what comes below.
    this.room = this.records.get(0).older ? window.innerHeight : 0;
    this.stretch();
    this.scroller.scrollBy(0, tile.getBoundingClientRect().top - place.top);
  }
}

define("imagegen-grid", Grid);
