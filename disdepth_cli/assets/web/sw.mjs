// Keeps what the page has loaded, so that it works offline. The server is asked first: a new export shows at once.
// Its answers isolate the page, without which browsers give WebAssembly one thread.

const PAGE = ["", "index.html", "page.mjs", "network.mjs", "export.json", "colours.json", "example.jpg"];
const KEPT = `disdepth ${self.registration.scope}`;

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(KEPT).then((kept) => kept.addAll(["./", "page.mjs"])));
});
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && isOurs(new URL(url))) event.respondWith(answer(event));
});

// Another site may be served at this address later: only the page's own files are answered.
function isOurs({ origin, pathname }) {
  const scope = new URL(self.registration.scope);
  if (origin !== scope.origin || !pathname.startsWith(scope.pathname)) return false;
  const name = pathname.slice(scope.pathname.length);
  return PAGE.includes(name) || /^onnxruntime\/[\w.-]+$/.test(name) || /^[\w.-]+\.onnx$/.test(name);
}

async function answer(event) {
  const kept = await caches.open(KEPT);
  let response;
  try {
    response = await fetch(event.request, { cache: "no-cache" });
    if (response.type === "opaqueredirect") return response;
    if (response.ok) event.waitUntil(kept.put(event.request.url, response.clone()).catch(() => {})); // the disk may be full
  } catch (error) {
    response = await kept.match(event.request.url, { ignoreSearch: true });
    if (!response) throw error;
  }
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
