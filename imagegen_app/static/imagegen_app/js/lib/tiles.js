// Read and change what surrounds the tiles of a grid.

// Returns what scrolls an element: the window, or a part of the page where the theme has one.
export function scrollerOf(element) {
  for (let box = element.parentElement; box && box !== element.ownerDocument.body; box = box.parentElement) {
    if (/auto|scroll/.test(getComputedStyle(box).overflowY) && box.scrollHeight > box.clientHeight) return box;
  }
  return window;
}

// Makes a tile and what is in it stops of the tab key (0), or not (-1).
export function setStops(tile, number) {
  tile.tabIndex = number;
  for (const part of tile.querySelectorAll("a, input")) part.tabIndex = number;
}

// Lets a tile that is dragged carry the number of its image.
export function dragTile(event) {
  const tile = event.target.closest?.("[data-tile]");
  if (!tile) return;
  event.dataTransfer.setData("application/x-imagegen-asset", tile.dataset.id);
  event.dataTransfer.effectAllowed = "copyLink";
}
