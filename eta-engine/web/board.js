// A board in a browser: follows the live stream, shows the label whose time has come, ages and
// expires by itself. It holds no rules; what is said when is in the labels (docs/board-rules.md).
"use strict";
(() => {
  const body = document.body, words = body.dataset, lang = document.documentElement.lang;
  const $ = (id) => document.getElementById(id);
  const list = $("rows"), noticeBox = $("notice"), link = $("link"), linkText = $("link-text"), say = $("say");
  const template = $("row").content.firstElementChild;
  const isKiosk = body.classList.contains("kiosk");
  const api = `/v1/stops/${encodeURIComponent(words.stop)}`;

  // ---- time: the server's clock, carried on by ours ----
  let sync = { server: Number(words.now), local: Date.now(), speed: Number(words.speed) || 1 };
  const now = () => sync.server + (Date.now() - sync.local) * sync.speed;
  const keepTime = (server, speed) => { sync = { server, local: Date.now(), speed: speed || sync.speed }; };
  const wall = new Intl.DateTimeFormat(lang, { timeZone: words.zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const hhmm = (ms) => wall.format(new Date(ms));

  // ---- the board, as the messages make it ----
  let board = null, seq = null;
  const labelAt = (labels, t) => { let found = null; for (const l of labels) { if (l.from > t) break; found = l; } return found; };

  // Takes a message; false when it does not follow what we have.
  function take(m) {
    if (m.type === "snapshot") {
      board = m.board; seq = m.seq; keepTime(board.now, board.clock_speed);
    } else if (m.type === "change") {
      if (!board || m.seq !== seq + 1) return false;
      const c = m.change, have = new Map([...board.rows, ...c.rows].map((r) => [r.key, r]));
      board = { ...board, ...c, rows: c.order.map((k) => have.get(k)).filter(Boolean) };
      seq = m.seq; keepTime(c.now);
    } else if (m.type === "heartbeat") {
      if (!board || m.seq !== seq) return false;
      board.expires_at = m.expires_at; keepTime(m.now);
    }
    return true;
  }

  // ---- showing ----
  const set = (el, text) => { if (el.textContent !== text) el.textContent = text; };
  const shown = new Map();
  let announced = new Map();

  function rowFor(r) {
    const li = template.cloneNode(true);
    const part = (c) => li.querySelector("." + c);
    return { li, part, badge: part("badge"), mode: part("mode-use"), num: part("num"), dest: part("dest"), name: part("mode-name"),
      platform: part("platform"), sched: part("sched"), access: part("access"), text: part("text"), sr: part("sr") };
  }

  function paint(el, r, label) {
    el.li.className = `row kind-${label.kind}` + (isNow(r, label) ? " now" : "");
    el.badge.className = "badge" + (r.route.colour ? ` k-${r.route.colour.slice(1)}-${(r.route.text_colour || "#").slice(1)}` : "");
    el.mode.setAttribute("href", `#m-${r.route.mode}`);
    set(el.num, r.route.name); set(el.dest, r.destination); set(el.name, r.route.mode_name);
    set(el.platform, r.platform ? `${words.platform} ${r.platform}` : "");
    const differs = label.kind === "live" || label.kind === "marked" || label.kind === "estimated" || label.kind === "cancelled";
    set(el.sched, differs ? `${words.sched} ${hhmm(r.scheduled)}` : label.kind === "underway" ? words.underway : "");
    el.access.toggleAttribute("hidden", r.wheelchair !== true);
    set(el.text, label.text);
    set(el.sr, `${r.spoken}, ${label.speech}.` + (r.wheelchair === true ? ` ${words.wheelchair}.` : ""));
  }
  const isNow = (r, label) => (label.kind === "live" || label.kind === "marked") && !/\d/.test(label.text);

  function show() {
    const t = now();
    set($("clock"), hhmm(t));
    if (!board) return;
    const expired = t >= board.expires_at;
    const rows = expired ? [] : board.rows.map((r) => [r, labelAt(r.labels, t)]).filter(([, l]) => l && l.text);
    const keys = new Set(rows.map(([r]) => r.key));
    for (const [key, el] of shown) if (!keys.has(key)) { el.li.remove(); shown.delete(key); }
    let at = list.firstElementChild;
    for (const [r, label] of rows) {
      let el = shown.get(r.key);
      if (!el) { el = rowFor(r); shown.set(r.key, el); }
      paint(el, r, label);
      if (el.li === at) at = at.nextElementSibling; else list.insertBefore(el.li, at);
    }
    while (at) { const gone = at; at = at.nextElementSibling; gone.remove(); }
    const notice = expired ? board.expired : labelAt(board.notice, t);
    const text = notice ? notice.text : "";
    set(noticeBox, text);
    noticeBox.hidden = !text;
    noticeBox.classList.toggle("big", rows.length === 0);
    body.classList.toggle("no-rows", rows.length === 0);
    if (!isKiosk) announce(rows);
  }

  // Said aloud only when something arrives: a list that reads itself every minute helps nobody.
  function announce(rows) {
    const next = new Map();
    for (const [r, label] of rows.slice(0, 6)) {
      const arriving = isNow(r, label);
      if (arriving && announced.get(r.key) === false) set(say, `${r.spoken}, ${label.speech}.`);
      next.set(r.key, arriving);
    }
    announced = next;
  }

  // ---- the link ----
  let socket = null, tries = 0, lostAt = null, timer = null, poller = null;
  function linked(isLive) {
    if (isLive && lostAt !== null) { lostAt = null; set(say, words.back); }
    if (!isLive && lostAt === null) { lostAt = now(); set(say, words.lost.replace("{time}", hhmm(lostAt))); }
    link.classList.toggle("lost", !isLive);
    set(linkText, isLive ? words.linked : words.lost.replace("{time}", hhmm(lostAt)));
  }

  function connect() {
    clearTimeout(timer);
    const url = new URL(`${api}/live?lang=${lang}` + (seq === null ? "" : `&after=${seq}`), location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const mine = socket = new WebSocket(url);
    let silence;
    // Heartbeats come every 15 s; three missed ones mean a dead link that nobody told us of.
    const heard = () => { clearTimeout(silence); silence = setTimeout(() => mine.close(), 45000); };
    heard();
    mine.onmessage = (e) => {
      heard();
      if (!take(JSON.parse(e.data))) { seq = null; mine.close(); return; }
      tries = 0; clearInterval(poller); poller = null;
      linked(true); show();
    };
    mine.onclose = () => {
      clearTimeout(silence);
      if (mine !== socket) return;
      tries += 1;
      if (tries > 1 || board) linked(poller !== null && lostAt === null);
      // A network that lets no WebSocket through still has HTTP.
      if (tries >= 3 && poller === null) { poll(); poller = setInterval(poll, 15000); }
      timer = setTimeout(connect, Math.min(30000, 500 * 2 ** tries) * (0.5 + Math.random() / 2));
    };
  }

  async function poll() {
    try {
      const answer = await fetch(`${api}/board?lang=${lang}`, { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      board = await answer.json(); seq = null;
      keepTime(board.now, board.clock_speed); linked(true); show();
    } catch { linked(false); }
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    show();
    if (!socket || socket.readyState > 1) { tries = 0; connect(); }
  });
  addEventListener("online", () => { tries = 0; if (!socket || socket.readyState > 1) connect(); });

  // ---- favourites ----
  const star = $("star");
  if (star) {
    const read = () => { try { return JSON.parse(localStorage.getItem("zupynka.favourites")) || []; } catch { return []; } };
    const paintStar = () => star.setAttribute("aria-pressed", String(read().some((s) => s.id === words.stop)));
    star.hidden = false;
    paintStar();
    star.addEventListener("click", () => {
      const others = read().filter((s) => s.id !== words.stop);
      const isNew = others.length === read().length;
      const name = $("name").textContent;
      try { localStorage.setItem("zupynka.favourites", JSON.stringify(isNew ? [...others, { id: words.stop, name }] : others)); } catch { /* private mode */ }
      paintStar();
    });
  }

  connect();
  show();
  setInterval(show, Math.max(100, Math.min(1000, 1000 / sync.speed)));
  if (isKiosk) setInterval(() => {
    const n = Math.floor(Date.now() / 60000) % 4;
    for (let i = 0; i < 4; i++) body.classList.toggle(`shift-${i}`, i === n);
  }, 10000);
})();
