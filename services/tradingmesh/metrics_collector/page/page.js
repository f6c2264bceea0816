// The live page: each section that arrives replaces what was shown of it. Money comes as exact text and is never added here;
// only the curve turns it into numbers, to know where to draw.
import { draw } from "./curve.js";

const SILENT_AFTER_MS = 4000;
const TRY_AGAIN_MS = 2000;
const STAGE_OLD_MS = 10000;
const COMPONENT_SILENT_MS = 4000;
const LEDGER_OLD_MS = 4000;
const FIGURES = ["equity", "cash", "day_profit", "realised", "unrealised"];
const TONES = {
  Active: "good", Reducing: "warning", Halted: "bad", Closed: "good", HalfOpen: "warning", Open: "bad",
  filled: "good", rejected: "bad", canceled: "warning", expired: "warning", partially_filled: "accent",
};
const SIGNS = { good: "✓", warning: "!", bad: "✕", info: "·" };

const at = (id) => document.getElementById(id);
let nowMs = 0;
let heardAt = 0;

// Texts

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const time = (ms) => (ms > 0 ? TIME.format(new Date(ms)) : "–");

function grouped(exact, decimals) {
  const parts = /^(-?)(\d+)(?:\.(\d+))?$/.exec(exact);
  if (!parts) return exact || "–";
  const [, sign, whole, fraction = ""] = parts;
  const shown = decimals === undefined ? fraction : fraction.padEnd(decimals, "0").slice(0, decimals);
  return `${sign && "−"}${whole.replace(/\B(?=(\d{3})+$)/g, ",")}${shown && "."}${shown}`;
}

const money = (exact) => grouped(exact, 2);
const price = (exact) => grouped(exact, Math.max(2, (exact.split(".")[1] || "").length));
const count = (number) => grouped(String(number));

function micros(us) {
  if (us === null || us === undefined) return "–";
  if (us < 1000) return `${us < 10 ? us.toFixed(1) : Math.round(us)} µs`;
  return us < 1e6 ? `${(us / 1000).toFixed(us < 1e4 ? 2 : 1)} ms` : `${(us / 1e6).toFixed(2)} s`;
}

function age(ms) {
  if (!(ms > 0)) return "never";
  const s = Math.max(0, (nowMs - ms) / 1000);
  if (s < 2) return "now";
  return s < 120 ? `${Math.round(s)} s ago` : `${Math.round(s / 60)} min ago`;
}

const sign = (exact) => (/^-/.test(exact) && /[1-9]/.test(exact) ? "bad" : /[1-9]/.test(exact) ? "good" : "");

// Cells and rows

function cell(text, { kind = "", tone = "", title = "", head = false } = {}) {
  const made = document.createElement(head ? "th" : "td");
  made.textContent = text;
  if (head) made.scope = "row";
  if (kind) made.className = kind;
  if (tone) made.dataset.tone = tone;
  if (title) made.title = title;
  return made;
}

function figure(exact, options = {}) {
  const made = cell((options.as ?? money)(exact), { kind: "n", tone: options.signed ? sign(exact) : "", title: exact });
  made.dataset.exact = exact;
  return made;
}

const head = (text) => cell(text, { head: true });
// The end of an id tells it from others: it begins with who made it.
const trace = (id) => cell(id.slice(-8), { kind: "trace", title: id && `trace ${id}` });

function row(cells, { key = "", old = false } = {}) {
  const made = document.createElement("tr");
  made.append(...cells);
  if (key) made.dataset.key = key;
  if (old) made.className = "old";
  return made;
}

function fill(id, rows, nothing) {
  const table = at(id);
  if (rows.length === 0) {
    const none = cell(nothing);
    none.colSpan = table.tHead.rows[0].cells.length;
    rows = [row([none])];
    rows[0].className = "empty";
  }
  table.tBodies[0].replaceChildren(...rows);
}

function pill(id, text, tone, title = "") {
  const made = at(id);
  if (made.textContent !== text) made.textContent = text;
  made.dataset.tone = tone;
  made.title = title;
}

function showFigure(made, exact, heardMs, old, signed) {
  made.textContent = money(exact);
  made.title = exact && `${exact}, heard ${time(heardMs)}`;
  if (exact) made.dataset.exact = exact;
  else delete made.dataset.exact;
  made.parentElement.className = exact && old ? "old" : "";
  if (signed) made.dataset.tone = sign(exact);
}

// Sections

const last = {};

const show = {
  clock(told) {
    nowMs = told.now_ms;
    at("clock").textContent = time(nowMs);
    pill("mode", told.mode, told.mode === "live" ? "bad" : "quiet");
    document.title = `${told.mode} · tradingmesh`;
    const missed = told.missed ? ` ${count(told.missed)} events were too many to be shown.` : "";
    at("about").textContent = `Watching only: this page changes nothing. Orders, fills and events since ${time(told.began_ms)}.${missed}`;
    for (const name of ["components", "market", "stages", "ledger"]) if (last[name]) show[name](last[name]);
  },

  trading(told) {
    const unknown = "the risk manager says nothing";
    if (told.trading === undefined) {
      pill("trading", "unknown", "quiet", unknown);
      pill("breaker", "unknown", "quiet", unknown);
      notice("", "warning", "trading");
      return;
    }
    const doubt = told.known ? "" : "?";
    const whose = `manifest ${told.manifest_trading}, switch ${told.switch}`;
    pill("trading", told.trading + (told.flattening ? ", flattening" : "") + doubt, told.known ? TONES[told.trading] : "quiet", whose);
    pill("breaker", told.breaker + doubt, told.known ? TONES[told.breaker] : "quiet", told.breaker_reason);
    const why = told.known ? told.refused : `${unknown}: what is shown of trading, breaker and ledger was its last word`;
    notice(why && (told.known ? `No new orders: ${why}` : why), "warning", "trading");
  },

  ledger(told) {
    last.ledger = told;
    const { ledger, heard_ms: heardMs } = told;
    const old = nowMs - heardMs > LEDGER_OLD_MS;
    for (const name of FIGURES) showFigure(at(name), ledger ? ledger[name] : "", heardMs, old, name !== "equity" && name !== "cash");
    at("positions-heard").textContent = ledger && old ? `as of ${time(heardMs)}` : "";
    if (!ledger) return fill("positions", [], "the risk manager has not told of its ledger yet");
    const rows = ledger.positions.map((held) =>
      row([
        head(held.symbol), figure(held.quantity, { as: grouped }), figure(held.mark, { as: price }), figure(held.cost),
        figure(held.unrealised, { signed: true }), figure(held.realised, { signed: true }),
      ], { key: held.symbol, old: old || held.quantity === "0" }));
    const more = ledger.positions_count - rows.length;
    if (more > 0) rows.push(row([cell(`and ${count(more)} more`, { kind: "soft" })]));
    fill("positions", rows, "no position was ever held");
  },

  curve(points) {
    last.curve = points;
    draw(at("curve"), points.map(([ms, text]) => ({ ms, text, profit: Number(text) })), { money, time });
  },

  market(told) {
    last.market = told;
    at("ticks").textContent = count(told.ticks);
    fill("market", told.symbols.map((one) =>
      row([head(one.symbol), figure(one.price, { as: price }), cell(age(one.heard_ms), { kind: "n soft" })], { key: one.symbol })),
    "no symbols");
  },

  orders({ heard, rows }) {
    at("orders-heard").textContent = heard > rows.length ? `the newest ${rows.length} of ${count(heard)}` : `${count(heard)}`;
    fill("orders", rows.map((one) =>
      row([
        cell(time(one.placed_ms), { kind: "soft" }), head(one.symbol), cell(one.side), figure(one.quantity, { as: grouped }),
        figure(one.filled, { as: grouped }), cell(one.status.replaceAll("_", " "), { tone: TONES[one.status] ?? "", title: one.reason }),
        trace(one.trace_id),
      ], { key: one.client_order_id })),
    "no order yet");
  },

  fills({ heard, rows }) {
    at("fills-heard").textContent = heard > rows.length ? `the newest ${rows.length} of ${count(heard)}` : `${count(heard)}`;
    fill("fills", rows.map((one) =>
      row([
        cell(time(one.booked_ms), { kind: "soft" }), head(one.symbol), cell(one.side), figure(one.quantity, { as: grouped }),
        figure(one.price, { as: price }), figure(one.commission), trace(one.trace_id),
      ], { key: one.client_order_id })),
    "no fill yet");
  },

  stages(told) {
    last.stages = told;
    fill("stages", told.map((one) =>
      row([
        cell(one.name || one.stage.replaceAll(/[_-]/g, " "), { head: true, title: one.stage }), cell(one.component, { kind: "soft" }),
        cell(micros(one.p50_us), { kind: "n" }), cell(micros(one.p99_us), { kind: "n" }), cell(count(one.count), { kind: "n soft" }),
      ], { key: one.stage, old: nowMs - one.at_ms > STAGE_OLD_MS })),
    "nothing measured yet");
  },

  components(told) {
    last.components = told;
    at("gaps").textContent = count(told.reduce((sum, one) => sum + one.gaps, 0));
    at("gaps").dataset.tone = told.some((one) => one.gaps) ? "warning" : "";
    fill("components", told.map((one) => {
      const silent = nowMs - one.heard_ms > COMPONENT_SILENT_MS;
      const [state, tone] = one.stopped ? ["stopped", "warning"] : silent ? ["silent", "bad"]
        : one.not_ready ? [`not ready: ${one.not_ready}`, "warning"] : ["ready", "good"];
      return row([
        head(one.instance), cell(state, { tone, kind: one.not_ready ? "words" : "" }), cell(count(one.gaps), { kind: "n" }),
        cell(age(one.heard_ms), { kind: "n soft" }), cell(one.version, { kind: "soft" }),
      ], { key: one.instance });
    }), "no component was heard yet");
  },

  feed(told) {
    fill("feed", told.map((one) => {
      const tone = one.level === "info" ? "" : one.level;
      const words = cell(one.text, { kind: "words", tone: tone === "good" ? "" : tone });
      if (one.times > 1) words.append(` (${count(one.times)} times)`);
      return row([
        cell(time(one.at_ms), { kind: "soft" }), cell(`${SIGNS[one.level] ?? ""} ${one.kind}`, { tone }), cell(one.component, { kind: "soft" }),
        words, trace(one.trace_id),
      ], { key: one.kind });
    }), "nothing happened yet");
  },
};

// The line to the collector

const notices = {};

function notice(text, tone, whose) {
  notices[whose] = text ? { text, tone } : undefined;
  const shown = notices.link ?? notices.trading;
  const made = at("notice");
  made.hidden = !shown;
  if (shown && made.textContent !== shown.text) made.textContent = shown.text;
  if (shown) made.dataset.tone = shown.tone;
}

function link(state) {
  if (document.body.dataset.link === state) return;
  document.body.dataset.link = state;
  at("link").dataset.link = state;
  pill("link", state, { live: "good", disconnected: "bad", silent: "warning" }[state] ?? "quiet");
  const of = `what is shown is of ${time(nowMs)}`;
  const texts = {
    disconnected: `disconnected from the metrics-collector: ${of}; trying again`,
    silent: `the metrics-collector is connected and says nothing: ${of}`,
  };
  notice(texts[state], state === "silent" ? "warning" : "bad", "link");
}

function connect() {
  const source = new EventSource("events");
  for (const [name, render] of Object.entries(show)) {
    source.addEventListener(name, (event) => {
      heardAt = performance.now();
      render(JSON.parse(event.data));
      link("live");
    });
  }
  source.onerror = () => {
    link("disconnected");
    // The browser tries again by itself, but not after an answer that was no stream: too many watch already.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, TRY_AGAIN_MS);
  };
}

setInterval(() => {
  if (document.body.dataset.link === "live" && performance.now() - heardAt > SILENT_AFTER_MS) link("silent");
}, 500);
new ResizeObserver(() => last.curve && show.curve(last.curve)).observe(at("curve"));
connect();
