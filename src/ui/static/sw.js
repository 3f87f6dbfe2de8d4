// Keeps the page itself, so that it can say that the box is away. What the box answers is never kept.
const CACHE = 'footbridge-%version%';
// Relative to this file, which lies beside the page, wherever a proxy has put both.
const SHELL = ['./', '%script%', '%style%', 'icon.svg', 'manifest.webmanifest'].map((name) => new URL(name, self.location.href).pathname);

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(SHELL)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  const old = caches.keys().then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))));
  event.waitUntil(old.then(() => self.clients.claim()));
});

self.addEventListener('fetch', (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method !== 'GET' || origin !== self.location.origin || !SHELL.includes(pathname)) return;
  // The newest page while the box is there, the kept one while it is not.
  event.respondWith(fetch(event.request).catch(() => caches.match(pathname, { cacheName: CACHE }).then((kept) => kept ?? Response.error())));
});
