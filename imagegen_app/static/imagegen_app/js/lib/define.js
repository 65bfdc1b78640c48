// Register a custom element once, however often its module was loaded.

export function define(name, element) {
  if (!customElements.get(name)) customElements.define(name, element);
}
