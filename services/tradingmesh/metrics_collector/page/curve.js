// The P&L curve: one line over time, its area down to zero, and what it was where one points.
const SVG = "http://www.w3.org/2000/svg";
const EDGE = { top: 10, right: 76, bottom: 22, left: 4 };
const LINES = 4;

function made(kind, attributes, text) {
  const element = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Where one points, kept while the line is drawn anew under the pointer. */
let pointed;

/** A round number near to `rough`: 1, 2 or 5 times a power of ten. */
function round(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
}

/** Where things are: zero is always in sight, and a flat line has room above and below. */
function scales(points, width, height) {
  const profits = points.map((point) => point.profit);
  let [low, high] = [Math.min(0, ...profits), Math.max(0, ...profits)];
  const step = round(Math.max(high - low, 1) / LINES);
  [low, high] = [Math.floor(low / step) * step, Math.ceil(high / step) * step];
  if (low === high) high = low + step;
  const [from, to] = [points[0].ms, Math.max(points.at(-1).ms, points[0].ms + 1000)];
  const [right, bottom] = [width - EDGE.right, height - EDGE.bottom];
  return {
    low, high, step, from, to, right, bottom,
    x: (ms) => EDGE.left + ((ms - from) / (to - from)) * (right - EDGE.left),
    y: (profit) => EDGE.top + ((high - profit) / (high - low)) * (bottom - EDGE.top),
  };
}

function grid(scale, time) {
  const parts = [];
  for (let n = 0; n <= Math.round((scale.high - scale.low) / scale.step); n += 1) {
    const profit = scale.low + n * scale.step;
    const y = scale.y(profit);
    const kind = Math.abs(profit) < scale.step / 1e6 ? "zero" : "grid";
    parts.push(made("line", { class: kind, x1: EDGE.left, x2: scale.right, y1: y, y2: y }));
    const text = profit.toLocaleString("en-US", { maximumFractionDigits: 2 }).replace("-", "−");
    parts.push(made("text", { x: scale.right + 8, y: y + 4 }, text));
  }
  const times = Math.max(2, Math.min(7, Math.floor((scale.right - EDGE.left) / 130)));
  for (let n = 0; n < times; n += 1) {
    const ms = scale.from + ((scale.to - scale.from) * n) / (times - 1);
    const anchor = n === 0 ? "start" : n === times - 1 ? "end" : "middle";
    parts.push(made("text", { x: scale.x(ms), y: scale.bottom + 16, "text-anchor": anchor }, time(ms)));
  }
  return parts;
}

function follow(figure, svg, points, scale, { money, time }) {
  const output = figure.querySelector("output");
  const left = () => svg.getBoundingClientRect().left;
  const cursor = made("line", { class: "cursor", y1: EDGE.top, y2: scale.bottom, visibility: "hidden" });
  const dot = made("circle", { class: "dot", r: 4.5, visibility: "hidden" });
  svg.append(cursor, dot);
  const hide = () => {
    output.hidden = true;
    for (const part of [cursor, dot]) part.setAttribute("visibility", "hidden");
  };
  const show = (x) => {
    const near = points.reduce((best, one) => (Math.abs(scale.x(one.ms) - x) < Math.abs(scale.x(best.ms) - x) ? one : best));
    const [px, py] = [scale.x(near.ms), scale.y(near.profit)];
    for (const [name, value] of [["x1", px], ["x2", px], ["visibility", "visible"]]) cursor.setAttribute(name, value);
    for (const [name, value] of [["cx", px], ["cy", py], ["visibility", "visible"]]) dot.setAttribute(name, value);
    output.hidden = false;
    output.textContent = `${time(near.ms)}  ${money(near.text)}`;
    output.style.left = `${Math.max(16, Math.min(px - output.offsetWidth / 2, scale.right - output.offsetWidth))}px`;
  };
  svg.onpointermove = (event) => show((pointed = event.clientX - left()));
  svg.onpointerleave = () => {
    pointed = undefined;
    hide();
  };
  if (pointed === undefined) hide();
  else show(pointed);
}

function nothing(figure, svg) {
  svg.setAttribute("aria-label", "No P&L yet");
  svg.replaceChildren();
  figure.querySelector("output").hidden = true;
}

/** Draws the points, `{ms, profit, text}`; those whose profit is no number are left out. */
export function draw(figure, told, words) {
  const svg = figure.querySelector("svg");
  const points = told.filter((point) => Number.isFinite(point.profit));
  const [width, height] = [svg.clientWidth, svg.clientHeight];
  if (points.length === 0) return nothing(figure, svg);
  if (width === 0) return;
  const scale = scales(points, width, height);
  const path = points.map((point, n) => `${n ? "L" : "M"}${scale.x(point.ms).toFixed(1)} ${scale.y(point.profit).toFixed(1)}`).join("");
  const zero = scale.y(0).toFixed(1);
  const newest = points.at(-1);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-label", `P&L of the day from ${words.time(scale.from)} to ${words.time(scale.to)}: now ${words.money(newest.text)}`);
  svg.replaceChildren(
    ...grid(scale, words.time),
    made("path", { class: "area", d: `${path}L${scale.x(newest.ms).toFixed(1)} ${zero}L${scale.x(points[0].ms).toFixed(1)} ${zero}Z` }),
    made("path", { class: "line", d: path }),
    made("circle", { class: "dot", r: 4, cx: scale.x(newest.ms), cy: scale.y(newest.profit) }),
  );
  follow(figure, svg, points, scale, words);
}
