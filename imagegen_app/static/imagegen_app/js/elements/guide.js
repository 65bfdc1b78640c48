// The picture beside a template's guide follows the image that is chosen, or whose ID is typed.

const FORM_OF_AN_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NO_ID = "00000000-0000-0000-0000-000000000000";

function follow(event) {
  const box = event.target.closest?.("[data-imagegen-guide]");
  if (!box) return;
  const id = event.target.value.trim();
  const link = box.querySelector(".imagegen-chosen-picture");
  const image = link.querySelector("img");
  link.hidden = true;
  image.removeAttribute("src");
  if (!FORM_OF_AN_ID.test(id)) return;
  link.href = box.dataset.page.replace(NO_ID, id);
  // Shown once it is there: not every image may be used.
  image.onload = () => {
    link.hidden = false;
  };
  image.src = box.dataset.picture.replace(NO_ID, id);
}

// Django's window of images tells of a choice by jQuery alone, which hears the browser's events, too.
const jQuery = window.django?.jQuery;
if (jQuery) jQuery(document).on("change", follow);
else document.addEventListener("change", follow);
