// Handle pointers and the wheel on a stage that shows an image: pan, pinch and zoom.

import { keepIn, pinch, zoomAt } from "./view.js";

// Calls `show(view)` whenever a person moves the image or changes its size; ends with the signal.
// `getView` returns { view, image, stage, least }; where `isFree(event)` is false, a press is not ours.
export function movable(stage, { getView, show, isFree = () => true, signal }) {
  const pointers = new Map();
  const here = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const moved = (view) => {
    const { image, stage: room } = getView();
    show(keepIn(view, image, room));
  };
  const down = (event) => {
    if (event.button > 1 || !isFree(event)) return;
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, here(event));
  };
  const move = (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const now = here(event);
    const { view, least } = getView();
    if (pointers.size === 1) {
      moved({ ...view, x: view.x + now.x - last.x, y: view.y + now.y - last.y });
    } else {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      moved(pinch(view, [last, other], [now, other], least));
    }
    pointers.set(event.pointerId, now);
  };
  const up = (event) => pointers.delete(event.pointerId);
  const wheel = (event) => {
    event.preventDefault();
    const { view, least } = getView();
    moved(zoomAt(view, Math.exp(-event.deltaY / 300), here(event), least));
  };
  stage.addEventListener("pointerdown", down, { signal });
  stage.addEventListener("pointermove", move, { signal });
  stage.addEventListener("pointerup", up, { signal });
  stage.addEventListener("pointercancel", up, { signal });
  stage.addEventListener("wheel", wheel, { signal, passive: false });
}
