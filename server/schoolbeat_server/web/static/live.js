// Keeps an open page up to date: the server tells that something changed, then the page's own parts are fetched anew.
// Without this script every page works; it just has to be reloaded.
"use strict";

(function () {
  const address = document.body.dataset.live;
  if (!address || !window.EventSource) return;

  // At most so often: what people wait for (an incident, a notice) soon, mere minutes at leisure, for slow lines.
  const SOON_MS = 1000;
  const LEISURE_MS = 15000;
  let last = Date.now();
  let timer = null;
  let due = Infinity;
  let fetching = false;

  const offline = document.getElementById("offline");

  function connected(yes) {
    offline.hidden = yes;
    offline.textContent = yes ? "" : offline.dataset.text;
    for (const note of document.querySelectorAll(".live-on")) note.hidden = !yes;
    document.documentElement.dataset.connected = yes ? "yes" : "no";
  }

  function ask(waitMs) {
    const at = Math.max(Date.now() + 200, last + waitMs);
    if (at >= due) return;
    due = at;
    clearTimeout(timer);
    timer = setTimeout(refresh, at - Date.now());
  }

  async function refresh() {
    due = Infinity;
    if (document.hidden || fetching) return ask(SOON_MS);
    fetching = true;
    last = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.ok) replaceParts(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch (_) {
      // The event stream notices by itself that the server is away.
    } finally {
      fetching = false;
    }
  }

  // Part by part, so that whoever reads, types or has opened something is not thrown out of it.
  function replaceParts(fresh) {
    for (const part of document.querySelectorAll("main section[id], #live-line, #made")) {
      const now = fresh.getElementById(part.id);
      if (!now || part.contains(document.activeElement)) continue;
      for (const open of part.querySelectorAll("details[open][id]")) {
        const same = now.querySelector("#" + CSS.escape(open.id));
        if (same) same.open = true;
      }
      if (part.className !== now.className) part.className = now.className;
      if (part.innerHTML !== now.innerHTML) part.innerHTML = now.innerHTML;
    }
    connected(true);
    document.documentElement.dataset.refreshed = String(Number(document.documentElement.dataset.refreshed || 0) + 1);
  }

  const source = new EventSource(address);
  let before = false;
  source.addEventListener("hello", function () {
    connected(true);
    if (before) ask(0); // what happened meanwhile was missed
    before = true;
  });
  source.addEventListener("minutes", function () { ask(LEISURE_MS); });
  source.addEventListener("event", function () { ask(SOON_MS * 3); });
  source.addEventListener("incident", function () { ask(SOON_MS); });
  source.addEventListener("notice", function () { ask(SOON_MS); });
  source.onerror = function () {
    connected(false);
    if (source.readyState === EventSource.CLOSED) setTimeout(function () { location.reload(); }, 30000);
  };
  document.addEventListener("visibilitychange", function () { if (!document.hidden) ask(SOON_MS); });
})();
