// Reads a list of texts from standard input, and writes the spans of each as JSON.
import { readFileSync } from "node:fs";

import { marks } from "../../imagegen_app/static/imagegen_app/js/lib/template-marks.js";

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map((text) => marks(text))));
