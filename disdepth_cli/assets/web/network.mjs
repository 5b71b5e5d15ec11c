// The student, in a worker: the page answers while it computes.
//
// Messages: {about, asked} opens the file that export.json describes; {rgba} (an ArrayBuffer of the source's size) asks
// for depth. The answer is {backend}, {depth, unlike, milliseconds} or {error}.

let ort, session, size;

self.onmessage = async ({ data }) => {
  try {
    if (data.about) self.postMessage({ backend: await open(data.about, data.asked) });
    else {
      const answer = await predict(new Uint8Array(data.rgba));
      self.postMessage(answer, [answer.depth.buffer]);
    }
  } catch (error) {
    self.postMessage({ error: String(error?.message ?? error) });
  }
};

async function open(about, asked) {
  size = about.size;
  const reasons = [];
  for (const backend of asked ? [asked] : await fitting(about)) {
    try {
      ort = await import(`./onnxruntime/ort.${backend}.min.mjs`);
      ort.env.logLevel = "error";
      session = await ort.InferenceSession.create(about.file, { executionProviders: [backend] });
      await predict(new Uint8Array(size[0] * size[1] * 4)); // the first run compiles: no frame waits for it
      return backend === "webgpu" ? "WebGPU" : `WebAssembly, ${threads()}`;
    } catch (error) {
      reasons.push(`${backend}: ${error?.message ?? error}`);
    }
  }
  throw new Error(`the student cannot run in this browser (${reasons.join("; ")})`);
}

// WebGPU where a real GPU is: one that the CPU imitates is a hundred times slower than WebAssembly. int8 was never tried.
async function fitting(about) {
  if (about.precision === "int8") return ["wasm"];
  const adapter = await self.navigator.gpu?.requestAdapter().catch(() => null);
  return adapter && !adapter.info?.isFallbackAdapter ? ["webgpu", "wasm"] : ["wasm"];
}

function threads() {
  const count = ort.env.wasm.numThreads;
  return count === 1 ? "1 thread" : `${count} threads`;
}

async function predict(rgba) {
  const [height, width] = size;
  const start = performance.now();
  const rgb = new Uint8Array(height * width * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    rgb[to++] = rgba[from];
    rgb[to++] = rgba[from + 1];
    rgb[to++] = rgba[from + 2];
  }
  const image = new ort.Tensor("uint8", rgb, [1, height, width, 3]);
  const { depth, unlike } = await session.run({ image });
  const values = Float32Array.from(await depth.getData());
  const far = unlike && (await unlike.getData())[0];
  for (const output of [depth, unlike]) output?.dispose();
  return { depth: values, unlike: far, milliseconds: performance.now() - start };
}
