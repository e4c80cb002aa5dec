// Uploads, the frame of a crop, and what htmx leaves to the page. Without a script all but these works by links and forms.

const byId = (id) => document.getElementById(id);

function report(sentence) {
  byId("problem").textContent = sentence;
}

function announce(sentence) {
  byId("announcement").textContent = sentence;
}

// Uploads: chosen, photographed, dropped or pasted. Each becomes a view of the query, which is then sent.

async function upload(file) {
  const most = Number(byId("upload").dataset.megabytes);
  if (file.size > most * 1e6) throw new Error(`${file.name}: has more than ${most} MB`); // the server would cut the connection
  const body = new FormData();
  body.append("drawing", file);
  const answer = await fetch(`/api/uploads${byId("edges").checked ? "?edges=1" : ""}`, { method: "POST", body });
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error);
  return value;
}

async function addDrawings(files) {
  if (!byId("upload") || !files.length) return;
  const problems = [];
  const ids = [];
  report("");
  byId("main").classList.add("htmx-request");
  for (const file of files) {
    announce(`Reading ${file.name}`);
    try {
      const { id, note } = await upload(file);
      ids.push(id);
      if (note) problems.push(`${file.name}: ${note}.`);
    } catch (error) {
      const isOurs = !(error instanceof TypeError || error instanceof SyntaxError);
      problems.push(isOurs ? error.message : `${file.name}: the server does not answer`);
    }
  }
  byId("main").classList.remove("htmx-request");
  const query = byId("query"); // as it is now: an answer may have come meanwhile
  if (ids.length) {
    for (const id of ids) query.append(hidden("drawing", `upload:${id}`));
    query.requestSubmit();
  }
  report(problems.join("\n"));
}

function hidden(name, value) {
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name, value });
  return field;
}

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

document.addEventListener("change", (event) => {
  const field = event.target;
  if (field.type !== "file") return;
  if (field.hasAttribute("capture")) byId("edges").checked = true;
  addDrawings([...field.files]);
  field.value = "";
});
document.addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  document.body.classList.remove("dropping");
  if (!hasFiles(event)) return;
  event.preventDefault();
  addDrawings([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  if (!files.length) return;
  event.preventDefault();
  addDrawings(files);
});

// Crop: a frame over the drawing in pixels of the drawing, as left, top, width and height.

const LEAST = 8; // pixels
const crop = { button: null, size: [0, 0], frame: [0, 0, 0, 0], drag: null };
const within = (value, least, most) => Math.min(Math.max(value, least), most);

async function openCrop(button) {
  crop.button = button;
  crop.size = (button.dataset.size || (await sizeOfDrawing(button.dataset.image))).split(",").map(Number);
  crop.frame = (button.dataset.crop || `0,0,${crop.size}`).split(",").map(Number);
  byId("crop").querySelector("img").src = button.dataset.image;
  byId("crop").querySelector(".stage").style.setProperty("--ratio", crop.size[0] / crop.size[1]);
  byId("crop").showModal();
  byId("crop").querySelector(".frame").focus();
  showFrame();
}

async function sizeOfDrawing(image) {
  const answer = await fetch(image.replace(/^(.*)\.png$/, "/api$1")); // /drawings/ID.png may be smaller than its file
  const { width, height } = await answer.json();
  return `${width},${height}`;
}

function showFrame() {
  const [width, height] = crop.size;
  const [left, top, wide, high] = crop.frame;
  const style = byId("crop").querySelector(".frame").style;
  style.left = `${(100 * left) / width}%`;
  style.top = `${(100 * top) / height}%`;
  style.width = `${(100 * wide) / width}%`;
  style.height = `${(100 * high) / height}%`;
  byId("crop-size").textContent = `${wide} × ${high} of ${width} × ${height} pixels, ${left} from the left, ${top} from the top`;
}

function setFrame(left, top, right, bottom) {
  const [width, height] = crop.size;
  left = within(Math.round(left), 0, width - 1);
  top = within(Math.round(top), 0, height - 1);
  crop.frame = [left, top, within(Math.round(right), left + 1, width) - left, within(Math.round(bottom), top + 1, height) - top];
  showFrame();
}

function moveFrame(left, top) {
  const [width, height] = crop.size;
  const [, , wide, high] = crop.frame;
  left = within(left, 0, width - wide);
  top = within(top, 0, height - high);
  setFrame(left, top, left + wide, top + high);
}

function pointAt(event) {
  const box = byId("crop").querySelector("img").getBoundingClientRect();
  return [((event.clientX - box.left) * crop.size[0]) / box.width, ((event.clientY - box.top) * crop.size[1]) / box.height];
}

document.addEventListener("pointerdown", (event) => {
  const stage = event.target.closest(".stage");
  if (!stage || event.button) return;
  event.preventDefault();
  stage.setPointerCapture(event.pointerId);
  const [left, top, wide, high] = crop.frame;
  const corner = [...stage.querySelectorAll("span")].indexOf(event.target);
  if (corner >= 0) crop.drag = { fixed: [corner % 2 ? left : left + wide, corner > 1 ? top : top + high] };
  else if (event.target.matches(".frame") && (wide < crop.size[0] || high < crop.size[1])) crop.drag = { from: pointAt(event), frame: [left, top] };
  else crop.drag = { fixed: pointAt(event) };
});
document.addEventListener("pointermove", (event) => {
  if (!crop.drag) return;
  const [x, y] = pointAt(event);
  const { fixed, from, frame } = crop.drag;
  if (from) moveFrame(frame[0] + x - from[0], frame[1] + y - from[1]);
  else if (Math.abs(x - fixed[0]) >= LEAST && Math.abs(y - fixed[1]) >= LEAST) {
    setFrame(Math.min(x, fixed[0]), Math.min(y, fixed[1]), Math.max(x, fixed[0]), Math.max(y, fixed[1]));
  }
});
for (const name of ["pointerup", "pointercancel"]) {
  document.addEventListener(name, () => {
    crop.drag = null;
  });
}
document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!step || !event.target.matches(".frame")) return;
  event.preventDefault();
  const [x, y] = step.map((sign, axis) => sign * Math.max(1, Math.round(crop.size[axis] / 50)));
  const [left, top, wide, high] = crop.frame;
  if (event.shiftKey) setFrame(left, top, Math.max(left + LEAST, left + wide + x), Math.max(top + LEAST, top + high + y));
  else moveFrame(left + x, top + y);
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.matches(".crop")) openCrop(button);
  else if (button.closest("#crop") && button.value) {
    byId("crop").close();
    if (button.value === "cancel") return;
    const whole = button.value === "whole" || (crop.frame[2] === crop.size[0] && crop.frame[3] === crop.size[1]);
    byId("query").append(hidden("change", `${crop.button.dataset.change}${whole ? "" : ` ${crop.frame}`}`));
    byId("query").requestSubmit();
  }
});

// What htmx leaves: which parts of the page are open, the focus, words for screen readers, and answers that come too late.

const opened = new Map();
let running = null;

function prepare() {
  const wide = matchMedia("(min-width: 900px)").matches;
  for (const part of document.querySelectorAll("details[id]")) {
    part.open = opened.get(part.id) ?? (part.open || (wide && part.matches(".open-when-wide")));
  }
  for (const button of document.querySelectorAll("button.crop")) button.hidden = false;
}

document.addEventListener("click", (event) => {
  const part = event.target.closest("summary")?.parentElement;
  if (part?.id) opened.set(part.id, !part.open);
});
const isSearch = ({ target }) => target === byId("main") || target === document.body;

document.addEventListener("htmx:before:request", (event) => {
  if (!isSearch(event.detail.ctx)) return;
  running = event.detail.ctx;
  report("");
});
document.addEventListener("htmx:before:history:restore", () => running?.request.abort?.());
document.addEventListener("htmx:before:swap", (event) => {
  const { response, text } = event.detail.ctx;
  if (!response || response.headers.get("content-type")?.startsWith("text/html")) return;
  event.preventDefault(); // what is refused before it comes to the pages
  report(JSON.parse(text).error);
});
document.addEventListener("htmx:error", (event) => {
  if (event.detail.ctx?.sourceElement.id !== "loading") report("The server does not answer; try again.");
});
document.addEventListener("htmx:after:swap", (event) => {
  if (!isSearch(event.detail.ctx)) return;
  prepare();
  announce(document.querySelector("[data-announce]")?.dataset.announce ?? "");
  if (document.activeElement === document.body) byId("results-title")?.focus({ preventScroll: true });
});
prepare();
