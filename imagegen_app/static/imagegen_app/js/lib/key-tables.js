// The keys of our pages, by what they do: the elements act by these tables, and <imagegen-key-list> shows them.
// A key is written as for `matches`; those behind the first one do the same. The words stand in the page.

const VIEW = { in: ["+", "="], out: ["-"], fit: ["0"] };

export const TABLES = {
  studio: { generate: ["mod+Enter"] },
  mask: {
    move: ["Arrows"],
    fine: ["shift+Arrows"],
    far: ["alt+Arrows"],
    draw: [" ", "Enter"],
    lift: ["Escape"],
    brush: ["b"],
    eraser: ["e"],
    rectangle: ["r"],
    smaller: ["["],
    larger: ["]"],
    invert: ["i"],
    undo: ["mod+z"],
    redo: ["mod+shift+z", "mod+y"],
    look: ["l"],
    ...VIEW,
  },
  frame: { move: ["Arrows"], far: ["shift+Arrows"] },
  result: { large: [" "], rate: ["1", "2", "3", "4", "5"] },
  viewer: { on: ["Arrows"], ...VIEW, whole: ["1"], close: [" ", "Escape"] },
  compare: { slider: ["s"], beside: ["b"], difference: ["d"], ...VIEW },
  queue: { move: ["Arrows"], open: ["Enter"], choose: [" "] },
  desk: { next: ["j", "ArrowRight"], previous: ["k", "ArrowLeft"], zoom: ["z"] },
  library: {
    move: ["Arrows"],
    rows: ["PageDown", "PageUp"],
    open: ["Enter"],
    choose: [" "],
    leave: ["mod+End"],
  },
  review: {
    move: ["Arrows"],
    approve: ["a"],
    reject: ["r"],
    later: ["u"],
    large: [" "],
    rate: ["1", "2", "3", "4", "5"],
    note: ["n"],
    describe: ["t"],
    again: ["g"],
    back: ["Escape"],
    save: ["mod+Enter"],
  },
};
