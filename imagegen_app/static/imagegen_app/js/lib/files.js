// Put files into a form's inputs, and take them out again.

// Returns those of several files that are images.
export function imagesOf(files) {
  return files.filter((file) => file.type.startsWith("image/"));
}

// Returns the first input that can hold one more file; one for a mask only where it is asked for.
export function firstWithRoom(inputs, { withMask = false } = {}) {
  return inputs.find((input) => {
    if (input.disabled || (input.dataset.role === "mask" && !withMask)) return false;
    const most = Number(input.dataset.most) || Infinity;
    return input.files.length < most;
  });
}

// Adds a file to those of an input.
export function put(input, file) {
  hold(input, [...input.files, file]);
}

// Takes the file of an index out of an input, and returns it.
export function take(input, index) {
  const files = [...input.files];
  const [taken] = files.splice(index, 1);
  hold(input, files);
  return taken;
}

function hold(input, files) {
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  input.files = transfer.files;
}
