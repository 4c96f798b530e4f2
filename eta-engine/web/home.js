// Looking for a stop: as you type, nearby, and the ones you keep. Without it the form still works.
"use strict";
(() => {
  const words = document.body.dataset, lang = document.documentElement.lang;
  const $ = (id) => document.getElementById(id);
  const input = $("q"), list = $("stops"), status = $("status"), heading = $("heading"), more = $("more"), near = $("near");
  const suffix = lang === "uk" ? "" : `?lang=${lang}`;
  const start = { html: [...list.children].map((n) => n.cloneNode(true)), heading: heading.textContent };
  let asked = null, timer = null;

  const el = (tag, cls, text) => { const e = document.createElement(tag); if (cls) e.className = cls; if (text !== undefined) e.textContent = text; return e; };

  function item(s) {
    const li = el("li"), a = el("a");
    a.href = `/stop/${encodeURIComponent(s.id)}${suffix}`;
    a.append(el("span", "name", s.platform ? `${s.name}, ${words.platform} ${s.platform}` : s.name));
    if (s.distance_m !== undefined) a.append(el("span", "far", s.distance_m < 950 ? `${Math.round(s.distance_m / 10) * 10} ${words.m}` : `${(s.distance_m / 1000).toFixed(1).replace(".", words.point)} ${words.km}`));
    if (s.towards && s.towards.length) a.append(el("span", "to", `→ ${s.towards.join(" · ")}`));
    if (s.routes && s.routes.length) { const by = el("span", "by"); for (const r of s.routes.slice(0, 12)) by.append(el("span", "", r)); a.append(by); }
    li.append(a);
    return li;
  }

  async function ask(query, title, count) {
    if (asked) asked.abort();
    const mine = asked = new AbortController();
    try {
      const answer = await fetch(`/v1/stops?${query}`, { signal: mine.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      const { stops } = await answer.json();
      list.replaceChildren(...stops.map(item));
      heading.textContent = title;
      more.hidden = true;
      status.textContent = stops.length ? count.replace("{n}", stops.length) : words.none;
    } catch (e) {
      if (e.name !== "AbortError") status.textContent = words.fail;
    }
  }

  function typed() {
    const q = input.value.trim();
    clearTimeout(timer);
    if (!q) {
      if (asked) asked.abort();
      list.replaceChildren(...start.html.map((n) => n.cloneNode(true)));
      heading.textContent = start.heading; more.hidden = false; status.textContent = "";
      return;
    }
    timer = setTimeout(() => ask(`limit=20&q=${encodeURIComponent(q)}`, words.results, words.found), 120);
  }
  input.addEventListener("input", typed);

  // Arrow keys walk from the field into the results and back.
  const links = () => [...list.querySelectorAll("a")];
  document.addEventListener("keydown", (e) => {
    const at = links().indexOf(document.activeElement);
    if (at < 0 && document.activeElement !== input) return;
    if (e.key === "ArrowDown") { const next = links()[at + 1]; if (next) { next.focus(); e.preventDefault(); } }
    else if (e.key === "ArrowUp" && at >= 0) { (links()[at - 1] || input).focus(); e.preventDefault(); }
    else if (e.key === "Escape") { input.focus(); input.value = ""; typed(); }
  });

  if (navigator.geolocation) {
    near.hidden = false;
    near.addEventListener("click", () => {
      status.textContent = words.locating;
      navigator.geolocation.getCurrentPosition(
        ({ coords }) => ask(`limit=20&radius=2000&near=${coords.latitude.toFixed(5)},${coords.longitude.toFixed(5)}`, words.nearby, words.found),
        () => { status.textContent = words.nolocation; },
        { enableHighAccuracy: true, timeout: 10000, maximumAge: 30000 });
    });
  }

  let kept = [];
  try { kept = JSON.parse(localStorage.getItem("zupynka.favourites")) || []; } catch { /* private mode */ }
  if (kept.length) {
    $("kept").replaceChildren(...kept.map((s) => item({ id: String(s.id), name: String(s.name) })));
    $("kept-section").hidden = false;
  }
  if (input.value.trim() && !list.children.length) typed();
})();
