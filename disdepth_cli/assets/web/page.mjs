// The page: a picture, video or camera is fitted to the student's source size, and its depth is drawn in colours.
//
// For other programs and tests: `await disdepth.ready`, then `await disdepth.predict(picture)`, where picture is a URL,
// a Blob, or what a canvas can draw. It gives {depth, width, height, milliseconds, unlike}: depth is a Float32Array, row by
// row, of the picture's part of the source size. unlike: above 1, the picture is unlike the student's training images.

const element = (id) => document.getElementById(id);
const marks = document.querySelectorAll(".mark");
const input = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

let about, colours, shown, stream, range, pointer;
let chosen = false; // a picture, video or camera, by the user: then no example is shown

// ---- the network ----

const worker = new Worker("network.mjs", { type: "module" });
let queue = Promise.resolve();

function ask(message, transfer = []) {
  const answer = queue.then(
    () =>
      new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data));
        worker.onerror = () => reject(new Error("network.mjs cannot be loaded"));
        worker.postMessage(message, transfer);
      }),
  );
  queue = answer.catch(() => {});
  return answer;
}

async function predict(picture) {
  const drawable = typeof picture === "string" ? await (await fetch(picture)).blob() : picture;
  const image = drawable instanceof Blob ? await decoded(drawable) : drawable;
  const place = fit(image);
  draw(image, place);
  const rgba = input.getImageData(0, 0, input.canvas.width, input.canvas.height).data.buffer;
  const { depth, milliseconds, unlike } = await ask({ rgba }, [rgba]);
  return { depth: part(depth, place), width: place.columns, height: place.rows, milliseconds, unlike, image, place };
}

// Pixels as they are stored, turned upright; a colour profile is not applied, as in Python.
const decoded = (blob) =>
  createImageBitmap(blob, { colorSpaceConversion: "none", imageOrientation: "from-image", premultiplyAlpha: "none" });

// ---- fitting a picture to the source size: the aspect stays, bars repeat the edge pixels ----

function fit(image) {
  const [rows, columns] = about.size;
  const width = image.videoWidth || image.naturalWidth || image.width;
  const height = image.videoHeight || image.naturalHeight || image.height;
  const scale = Math.min(columns / width, rows / height);
  const place = {
    columns: Math.max(1, Math.round(width * scale)),
    rows: Math.max(1, Math.round(height * scale)),
    aspect: width / height,
  };
  place.left = (columns - place.columns) >> 1;
  place.top = (rows - place.rows) >> 1;
  return place;
}

function draw(image, { left, top, columns, rows }) {
  const { width, height } = input.canvas;
  input.clearRect(0, 0, width, height); // what is transparent is black, and not the picture before
  input.imageSmoothingEnabled = true;
  input.imageSmoothingQuality = "high";
  input.drawImage(image, left, top, columns, rows);
  input.imageSmoothingEnabled = false;
  const [right, below] = [left + columns, top + rows];
  if (left) input.drawImage(input.canvas, left, top, 1, rows, 0, top, left, rows);
  if (right < width) input.drawImage(input.canvas, right - 1, top, 1, rows, right, top, width - right, rows);
  if (top) input.drawImage(input.canvas, 0, top, width, 1, 0, 0, width, top);
  if (below < height) input.drawImage(input.canvas, 0, below - 1, width, 1, 0, below, width, height - below);
}

function part(depth, { left, top, columns, rows }) {
  const width = input.canvas.width;
  if (columns === width) return depth.slice(top * width, (top + rows) * width);
  const found = new Float32Array(columns * rows);
  for (let row = 0; row < rows; row++) {
    const start = (top + row) * width + left;
    found.set(depth.subarray(start, start + columns), row * columns);
  }
  return found;
}

// ---- showing ----

function show(result, smooth) {
  shown = result;
  const { width, height, depth, place } = result;
  const picture = canvasOf("picture", width, height);
  picture.drawImage(input.canvas, place.left, place.top, width, height, 0, 0, width, height);
  const now = element("fixed").checked ? [about.min_depth, about.max_depth] : percentiles(depth);
  range = smooth && range ? range.map((value, end) => 0.9 * value + 0.1 * now[end]) : now; // a video does not flicker
  const [low, high] = range;
  const pixels = new ImageData(width, height);
  const words = new Uint32Array(pixels.data.buffer);
  const scale = 255 / Math.max(high - low, 1e-12);
  for (let i = 0; i < words.length; i++) {
    words[i] = colours[Math.round(Math.min(Math.max((depth[i] - low) * scale, 0), 255))];
  }
  canvasOf("depth", width, height).putImageData(pixels, 0, 0);
  element("ticks").replaceChildren(
    ...[0, 0.25, 0.5, 0.75, 1].map((share) => {
      const tick = document.createElement("span");
      tick.textContent = worded(low + share * (high - low));
      return tick;
    }),
  );
  element("time").textContent = `${Math.round(result.milliseconds)} ms`;
  point();
}

function canvasOf(id, width, height) {
  const canvas = element(id);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  return canvas.getContext("2d");
}

// The 2nd and 98th: one outlier does not flatten the rest.
function percentiles(depth) {
  const step = Math.max(1, Math.floor(depth.length / 20000));
  const some = depth.filter((_, index) => index % step === 0).sort();
  return [0.02, 0.98].map((share) => some[Math.round(share * (some.length - 1))]);
}

const metric = () => about.output_kind === "metric_depth";
const worded = (value) => `${value.toFixed(2)}${metric() ? " m" : ""}`;

// pointer: the place in the picture, 0 to 1 from left and from top.
function point() {
  for (const mark of marks) {
    mark.hidden = !pointer;
    if (pointer) Object.assign(mark.style, { left: `${100 * pointer.x}%`, top: `${100 * pointer.y}%` });
  }
  if (!pointer || !shown) return;
  const column = Math.min(Math.floor(pointer.x * shown.width), shown.width - 1);
  const row = Math.min(Math.floor(pointer.y * shown.height), shown.height - 1);
  element("here").textContent = worded(shown.depth[row * shown.width + column]);
}

function say(text, isError = false) {
  if (element("status").textContent !== text) element("status").textContent = text;
  element("status").classList.toggle("error", isError);
}

const problem = (what, error) => say(`${what}: ${error?.message || error?.name || error}`, true);

// ---- pictures, videos, the camera ----

async function showPicture(picture, name) {
  stop();
  say(`${name} ...`);
  try {
    show(await predict(picture), false);
    say(note(name));
    tellOffline();
  } catch (error) {
    problem(name, error);
  }
}

function note(name) {
  const [rows, columns] = about.size;
  const other = Math.abs(shown.place.aspect / (columns / rows) - 1) > 0.02;
  const bars = other ? `, between bars: its shape is not that of ${columns} x ${rows}` : "";
  return `${name}${bars}${shown.unlike > 1 ? ". Unlike the student's training images: its depth may be wrong" : ""}`;
}

async function showVideo(video, name) {
  stop();
  const own = (stream = { video });
  Object.assign(video, { muted: true, playsInline: true, loop: true });
  try {
    await video.play();
    element("pause").hidden = false;
    element("pause").textContent = "Pause";
    range = undefined;
    for (let last = 0; stream === own; last = performance.now()) {
      await new Promise(requestAnimationFrame);
      if (video.paused && shown?.image === video) continue;
      const result = await predict(video);
      if (stream !== own) return;
      if (shown?.image === video && shown.unlike) result.unlike = 0.9 * shown.unlike + 0.1 * result.unlike;
      show(result, true);
      if (last) element("time").textContent += `, ${(1000 / (performance.now() - last)).toFixed(1)} a second`;
      say(note(name));
    }
  } catch (error) {
    if (stream === own) {
      stop();
      problem(name, error);
    }
  }
}

function stop() {
  const video = stream?.video;
  stream = undefined;
  if (!video) return;
  video.pause();
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  if (video.src) URL.revokeObjectURL(video.src);
  element("pause").hidden = true;
  element("camera").textContent = "Start the camera";
}

async function take(file) {
  if (!file) return;
  chosen = true;
  await disdepth.ready;
  if (!file.type.startsWith("video/")) return void showPicture(file, file.name);
  const video = document.createElement("video");
  video.src = URL.createObjectURL(file);
  showVideo(video, file.name);
}

async function toggleCamera() {
  chosen = true;
  await disdepth.ready;
  if (stream?.video.srcObject) return stop();
  const [height, width] = about.size;
  try {
    const wanted = { width: { ideal: width }, height: { ideal: height }, facingMode: "environment" };
    const camera = await navigator.mediaDevices.getUserMedia({ video: wanted });
    const video = document.createElement("video");
    video.srcObject = camera;
    const done = showVideo(video, "Camera");
    element("camera").textContent = "Stop the camera";
    await done;
  } catch (error) {
    problem("The camera cannot be used", error);
  }
}

// ---- offline, and more than one thread ----

async function settle() {
  if (!navigator.serviceWorker) return;
  try {
    await navigator.serviceWorker.register("sw.mjs");
    const controlled = new Promise((done) => (navigator.serviceWorker.oncontrollerchange = done));
    const late = new Promise((done) => setTimeout(done, 3000)); // a forced reload passes the service worker by
    if (!navigator.serviceWorker.controller) await Promise.race([controlled, late]);
  } catch {
    return; // the page works without, online
  }
  if (!crossOriginIsolated && navigator.serviceWorker.controller && !sessionStorage.getItem("disdepth")) {
    sessionStorage.setItem("disdepth", "reloaded");
    location.reload();
    await new Promise(() => {});
  }
}

async function tellOffline() {
  const kept = navigator.serviceWorker?.controller && (await caches.match(about.file));
  element("offline").hidden = !kept;
}

function describe({ backbone, parameters, precision, licence, teacher, size, unit }) {
  const from = teacher ? `, taught by ${teacher.id}` : "";
  return (
    `${backbone}, ${(parameters / 1e6).toFixed(2)} M parameters, ${precision}${from}; licence: ${licence}. ` +
    `Pictures are fitted to ${size[1]} x ${size[0]}. Depth: ${unit}.`
  );
}

async function start() {
  await settle();
  const load = async (name) => (await fetch(name)).json();
  about = await load("export.json");
  const table = await load("colours.json");
  colours = Uint32Array.from(table, ([red, green, blue]) => (255 << 24) | (blue << 16) | (green << 8) | red);
  if (about.output_kind === "disparity") colours.reverse(); // near things have the same colours, whatever the kind
  const bar = new ImageData(256, 1);
  new Uint32Array(bar.data.buffer).set(colours);
  element("colours").getContext("2d").putImageData(bar, 0, 0);
  [input.canvas.height, input.canvas.width] = about.size;
  const [low, high] = [about.min_depth, about.max_depth].map((value) => Number(value.toFixed(2)));
  element("range").textContent = `Fixed range, ${low} to ${high}${metric() ? " m" : ""}`;
  element("about").textContent = describe(about);
  say("Loading the student ...");
  const asked = ["wasm", "webgpu"].find((name) => name === new URLSearchParams(location.search).get("backend"));
  const { backend } = await ask({ about, asked });
  element("backend").textContent = disdepth.backend = backend;
}

element("file").onchange = ({ target }) => {
  take(target.files[0]);
  target.value = "";
};
element("camera").onclick = toggleCamera;
element("pause").onclick = ({ target }) => {
  const { video } = stream;
  video.paused ? video.play() : video.pause();
  target.textContent = video.paused ? "Go on" : "Pause";
};
element("fixed").onchange = () => shown && ((range = undefined), show(shown, false));
document.onpaste = (event) => take(event.clipboardData.files[0]);
document.ondragover = (event) => {
  event.preventDefault();
  document.body.classList.add("over");
};
document.ondragleave = () => document.body.classList.remove("over");
document.ondrop = (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  take(event.dataTransfer.files[0]);
};
for (const id of ["picture", "depth"]) {
  element(id).onpointermove = element(id).onpointerdown = ({ offsetX, offsetY, target }) => {
    pointer = { x: Math.max(0, offsetX / target.clientWidth), y: Math.max(0, offsetY / target.clientHeight) };
    point();
  };
}
if (!navigator.mediaDevices) {
  element("camera").disabled = true;
  element("camera").title = "Browsers give the camera to https and localhost alone";
}

window.disdepth = { predict };
disdepth.ready = start();
disdepth.ready.then(() => chosen || showPicture("example.jpg", "Example"), (error) => problem("The student cannot be used", error));
