// Confusion matrix on a canvas, with a ranked list of the largest confusions beside it.
// `data` stays the same from click to click; a selection made elsewhere comes as a command with a new version.

const RAMPS = {
  light: { empty: "#f0f2ef", error: ["#f7ddcb", "#e58a4e", "#a63c06"], right: ["#dcebe7", "#8cc3bb", "#3b8f86"], ink: "#1a2422" },
  dark: { empty: "#1a2221", error: ["#3d2517", "#b35a22", "#ffb27c"], right: ["#15302d", "#1c5650", "#3d9c8f"], ink: "#e4ebe8" },
};
const LABELS_FROM = 11; // a cell of so many pixels has room for its label
const LISTED = 200;
const views = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  let view = views.get(parentElement);
  if (!view) views.set(parentElement, (view = new Matrix(parentElement)));
  view.send = (cell) => setStateValue("cell", cell);
  view.update(data);
  return () => view.rest();
}

class Matrix {
  constructor(root) {
    this.root = root;
    for (const name of ["view", "board", "tip", "live", "probe", "search", "pairs", "legend", "heading"]) {
      this[name] = root.querySelector("." + name);
    }
    this.canvas = root.querySelector("canvas");
    this.cursor = [0, 0]; // positions on the board, not class indices
    this.chosen = null; // class indices
    this.listen();
  }

  listen() {
    const { canvas } = this;
    canvas.onclick = (event) => { const place = this.placeAt(event); if (place) { this.cursor = place; this.choose(this.classes(place)); } };
    canvas.onmousemove = (event) => this.hover(this.placeAt(event));
    canvas.onmouseleave = () => this.hover(null);
    canvas.onfocus = () => { this.focused = true; this.draw(); };
    canvas.onblur = () => { this.focused = false; this.hover(null); };
    canvas.onkeydown = (event) => this.key(event);
    this.search.oninput = () => { this.list(); this.draw(); };
    this.search.onkeydown = (event) => { if (event.key === "Escape") { this.search.value = ""; this.list(); this.draw(); } };
    this.probe.ontransitionend = () => { this.theme(); this.list(); this.draw(); };
    this.resizes = new ResizeObserver(() => this.layout());
    this.resizes.observe(this.board);
  }

  rest() { this.resizes.disconnect(); views.delete(this.root); }

  update(data) {
    if (data.cells !== this.cells || data.labels.length !== this.labels?.length) this.decode(data);
    Object.assign(this, { mode: data.mode, unit: data.unit, showing: data.showing, order: data.order ?? this.natural });
    this.rank = new Map(this.order.map((label, place) => [label, place]));
    this.view.classList.toggle("list-first", data.list_first);
    if (data.command.version !== this.version) {
      this.version = data.command.version;
      this.chosen = data.command.cell;
      if (this.chosen) this.cursor = this.chosen.map((label) => this.rank.get(label));
    }
    this.theme(); this.scale(); this.list(); this.layout(true);
  }

  decode(data) {
    const bytes = Uint8Array.from(atob(data.cells), (c) => c.charCodeAt(0));
    const numbers = new Uint32Array(bytes.buffer);
    const size = (this.n = data.labels.length);
    Object.assign(this, { cells: data.cells, labels: data.labels, natural: data.labels.map((_, i) => i) });
    this.entries = []; this.cellsAt = new Map();
    this.ofTrue = new Float64Array(size); this.ofPredicted = new Float64Array(size);
    for (let i = 0; i < numbers.length; i += 4) {
      const [t, p, count] = [Math.floor(numbers[i] / size), numbers[i] % size, numbers[i + 1]];
      this.entries.push([t, p, count]);
      this.cellsAt.set(t * size + p, { count, true: numbers[i + 2], predicted: numbers[i + 3] });
      this.ofTrue[t] += count; this.ofPredicted[p] += count;
    }
  }

  // Samples, and shares in tenths of a percent: what is read comes from here, rounded as everywhere else.
  facts(t, p) { return this.cellsAt.get(t * this.n + p) ?? { count: 0, true: 0, predicted: 0 }; }

  // How strong a cell is drawn, and its place in the list.
  value(t, p, count) {
    if (this.mode === "true") return count / this.ofTrue[t];
    return this.mode === "predicted" ? count / this.ofPredicted[p] : count;
  }
  shown(number) { return this.mode === "count" ? number.toLocaleString("en") : percent(number); }

  theme() {
    const background = getComputedStyle(this.probe).color;
    const [r, g, b] = background.match(/[\d.]+/g).map(Number);
    this.dark = 0.3 * r + 0.6 * g + 0.1 * b < 110;
    this.ramps = RAMPS[this.dark ? "dark" : "light"];
    this.view.style.setProperty("--error", this.ramps.error[1]);
    this.font = getComputedStyle(this.view).fontFamily;
  }

  scale() {
    this.most = { error: 0, right: 0 };
    const read = { error: 0, right: 0 };
    for (const [t, p, count] of this.entries) {
      const kind = t === p ? "right" : "error";
      this.most[kind] = Math.max(this.most[kind], this.value(t, p, count));
      read[kind] = Math.max(read[kind], this.facts(t, p)[this.mode]);
    }
    const swatch = (kind, name) => {
      const ramp = element("span", "ramp");
      ramp.style.background = `linear-gradient(90deg, ${this.ramps.empty}, ${this.ramps[kind].join(", ")})`;
      return [element("span", "", name), ramp, element("span", "reach", `0 – ${this.shown(read[kind])}`)];
    };
    this.legend.replaceChildren(...swatch("right", "Correct"), ...swatch("error", "Confused"));
  }

  colour(t, p, count) {
    const kind = t === p ? "right" : "error";
    const share = Math.sqrt(this.value(t, p, count) / (this.most[kind] || 1)); // small confusions stay visible
    return mix(this.ramps[kind], share);
  }

  // ---- the ranked list

  matches() {
    const wanted = searched(this.search.value.trim());
    return wanted ? new Set(this.natural.filter((i) => searched(this.labels[i]).includes(wanted))) : null;
  }

  list() {
    const found = this.matches();
    const errors = this.entries.filter(([t, p]) => t !== p && (!found || found.has(t) || found.has(p)));
    const ranked = errors.map(([t, p, count]) => ({ t, p, count, value: this.value(t, p, count) }))
      .sort((a, b) => b.value - a.value || b.count - a.count).slice(0, LISTED);
    const by = { count: `by ${this.unit}s`, true: "by share of the true class", predicted: "by share of the predicted class" };
    this.heading.textContent = `${found ? "Confusions of the classes found" : "Largest confusions"} ${by[this.mode]}`;
    const most = ranked[0]?.value || 1;
    this.pairs.replaceChildren(...ranked.map((pair) => this.pair(pair, most)));
    if (!ranked.length) this.pairs.append(element("li", "none", found ? "No confusion of a class with this name." : `No confusions: every ${this.unit} is right.`));
    this.mark();
  }

  pair({ t, p, count, value }, most) {
    const button = element("button"); button.type = "button"; button.cell = [t, p];
    const names = element("span", "names");
    names.append(element("span", "", this.labels[t]), element("i", "", "→"), element("span", "", this.labels[p]));
    const of = this.showing ? this.showing[t] : this.mode === "predicted" ? this.ofPredicted[p] : this.ofTrue[t];
    const bar = element("span", "bar"), fill = element("i");
    fill.style.width = `${(100 * value) / most}%`; bar.append(fill);
    button.append(names, element("span", "count", `${count.toLocaleString("en")} of ${of.toLocaleString("en")}`), bar);
    button.title = this.describe(t, p).join("\n");
    button.onclick = () => { this.cursor = [this.rank.get(t), this.rank.get(p)]; this.choose([t, p]); };
    const item = element("li"); item.append(button);
    return item;
  }

  mark() {
    for (const button of this.pairs.querySelectorAll("button")) {
      button.classList.toggle("chosen", !!this.chosen && button.cell[0] === this.chosen[0] && button.cell[1] === this.chosen[1]);
    }
  }

  // ---- the board

  layout(force = false) {
    if (!this.board.clientWidth || !this.labels || (!force && this.board.clientWidth === this.room)) return;
    const pen = this.canvas.getContext("2d");
    pen.font = `13px ${this.font}`;
    const widest = Math.max(...this.labels.map((label) => pen.measureText(label).width));
    const most = this.n <= 30 ? Math.max(300, Math.min(this.n * (window.innerWidth > 1600 ? 58 : 46), 720)) : 760;
    const named = Math.ceil(Math.min(widest, 150)) + 34;
    this.view.style.setProperty("--board", `${named + most + 8}px`);
    this.view.style.setProperty("--list", this.n > 30 ? "23rem" : "19.5rem");
    const room = (this.room = this.board.clientWidth);
    this.cell = Math.min(room - named - 8, most) / this.n;
    this.named = this.cell >= LABELS_FROM; // names that do not fit are in the tooltip
    this.left = this.named ? named : 26;
    if (!this.named) this.cell = Math.max(0.3, Math.min(room - this.left - 8, most) / this.n);
    if (this.cell > 4) this.cell = Math.floor(this.cell);
    this.side = this.cell * this.n;
    this.slanted = widest > this.cell - 6;
    this.bottom = this.slanted ? Math.ceil(Math.min(widest, 150) * 0.72) + 44 : 50;
    if (!this.named) this.bottom = 30;
    [this.width, this.height] = [this.left + this.side + 8, this.side + this.bottom + 4];
    this.ratio = window.devicePixelRatio || 1;
    Object.assign(this.canvas, { width: Math.round(this.width * this.ratio), height: Math.round(this.height * this.ratio) });
    Object.assign(this.canvas.style, { width: `${this.width}px`, height: `${this.height}px` });
    Object.assign(this.canvas.dataset, { left: this.left, cell: this.cell }); // where cells are, for whoever clicks by program
    this.canvas.setAttribute("aria-label", `Confusion matrix of ${this.n} classes, true classes in rows, predicted ones in columns. Arrow keys move, Enter selects, Escape clears.`);
    this.draw();
  }

  draw() {
    if (!this.side) return;
    const pen = this.canvas.getContext("2d");
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    this.drawCells(pen); this.drawLabels(pen); this.drawMarks(pen);
  }

  drawCells(pen) {
    const gap = this.cell >= 12 ? 1.5 : this.cell >= 6 ? 1 : 0, size = Math.max(this.cell - gap, 0.5), round = this.cell >= 20 ? 3 : 0;
    const found = this.matches();
    pen.fillStyle = this.ramps.empty;
    if (gap) for (let t = 0; t < this.n; t++) for (let p = 0; p < this.n; p++) this.box(pen, t, p, size, round);
    else pen.fillRect(this.left, 0, this.side, this.side);
    this.drawCross(pen);
    pen.textAlign = "center"; pen.textBaseline = "middle";
    for (const [t, p, count] of this.entries) {
      const [row, column] = [this.rank.get(t), this.rank.get(p)];
      pen.globalAlpha = !found || found.has(t) || found.has(p) ? 1 : 0.18;
      const colour = this.colour(t, p, count);
      pen.fillStyle = `rgb(${colour})`;
      this.box(pen, row, column, Math.max(size, 1), round);
      if (this.cell >= 26) this.number(pen, row, column, size, colour, this.facts(t, p)[this.mode]);
    }
    pen.globalAlpha = 1;
  }

  get moving() { return this.at ?? (this.focused ? this.cursor : null); }

  drawCross(pen) {
    if (!this.moving) return;
    const [row, column] = this.moving;
    pen.fillStyle = this.ramps.ink; pen.globalAlpha = 0.08;
    pen.fillRect(this.left, row * this.cell, this.side, this.cell);
    pen.fillRect(this.left + column * this.cell, 0, this.cell, this.side);
    pen.globalAlpha = 1;
  }

  box(pen, row, column, size, round) {
    const [x, y] = [this.left + column * this.cell, row * this.cell];
    if (!round) return pen.fillRect(x, y, size, size);
    pen.beginPath(); pen.roundRect(x, y, size, size, round); pen.fill();
  }

  number(pen, row, column, size, [r, g, b], value) {
    const text = this.mode === "count" ? String(value) : percent(value, "").replace(/^(0|100)\.0$/, "$1");
    pen.font = `${this.cell >= 38 ? 13 : 11}px ${this.font}`;
    if (pen.measureText(text).width > size - 2) return;
    pen.fillStyle = 0.3 * r + 0.59 * g + 0.11 * b > 135 ? "#1a2422" : "#ffffff";
    pen.fillText(text, this.left + column * this.cell + size / 2, row * this.cell + size / 2 + 0.5);
  }

  drawLabels(pen) {
    const focus = this.moving ?? this.chosen?.map((label) => this.rank.get(label));
    const size = this.cell < 15 ? 10.5 : 13;
    for (let place = 0; this.named && place < this.n; place++) {
      const name = this.labels[this.order[place]];
      for (const [axis, draw] of [[0, this.rowLabel], [1, this.columnLabel]]) {
        const strong = focus?.[axis] === place;
        pen.fillStyle = this.ramps.ink; pen.globalAlpha = strong ? 1 : 0.72;
        pen.font = `${strong ? "600 " : ""}${size}px ${this.font}`;
        draw.call(this, pen, elided(pen, name, 150), place);
      }
    }
    this.titles(pen);
  }

  rowLabel(pen, name, place) {
    pen.textAlign = "right"; pen.textBaseline = "middle";
    pen.fillText(name, this.left - 8, (place + 0.5) * this.cell);
  }

  columnLabel(pen, name, place) {
    pen.save(); pen.translate(this.left + (place + 0.5) * this.cell, this.side + 8);
    if (this.slanted) pen.rotate(-Math.PI / 4);
    pen.textAlign = this.slanted ? "right" : "center"; pen.textBaseline = this.slanted ? "middle" : "top";
    pen.fillText(name, 0, this.slanted ? 3 : 0);
    pen.restore();
  }

  titles(pen) {
    pen.fillStyle = this.ramps.ink; pen.globalAlpha = 0.6; pen.font = `600 12px ${this.font}`;
    pen.textAlign = "center"; pen.textBaseline = "alphabetic";
    pen.fillText("Predicted class", this.left + this.side / 2, this.height - 8);
    pen.save(); pen.translate(11, this.side / 2); pen.rotate(-Math.PI / 2); pen.textBaseline = "middle";
    pen.fillText("True class", 0, 0); pen.restore();
    pen.globalAlpha = 1;
  }

  drawMarks(pen) {
    const ring = (place, colour, width) => {
      const size = Math.max(this.cell, 5), shift = (size - this.cell) / 2;
      pen.strokeStyle = colour; pen.lineWidth = width; pen.beginPath();
      pen.roundRect(this.left + place[1] * this.cell - shift - 1, place[0] * this.cell - shift - 1 + 1, size + 0.5, size - 0.5, this.cell >= 20 ? 4 : 1);
      pen.stroke();
    };
    if (this.moving) ring(this.moving, this.ramps.ink, 1);
    if (this.chosen) ring(this.chosen.map((label) => this.rank.get(label)), this.ramps.ink, 2.5);
  }

  // ---- the person

  classes([row, column]) { return [this.order[row], this.order[column]]; }

  placeAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left - this.left) / this.cell), row = Math.floor((event.clientY - box.top) / this.cell);
    return row >= 0 && row < this.n && column >= 0 && column < this.n ? [row, column] : null;
  }

  describe(t, p) {
    const { count, ...shares } = this.facts(t, p);
    const share = (tenths, whole) => (whole ? `${percent(tenths)} of ${whole.toLocaleString("en")}` : "none of 0");
    const what = t === p ? `${this.labels[t]}, recognised` : `${this.labels[t]} → ${this.labels[p]}`;
    const counted = `${count.toLocaleString("en")} ${count === 1 ? this.unit : `${this.unit}s`}`;
    // A picture shows several classes: shares of a row of them would add up to more than all.
    if (this.showing) return [what, counted, `of ${this.showing[t].toLocaleString("en")} that show ${this.labels[t]}`];
    return [what, counted, `${share(shares.true, this.ofTrue[t])} that are ${this.labels[t]}`, `${share(shares.predicted, this.ofPredicted[p])} predicted ${this.labels[p]}`];
  }

  hover(place) {
    if (String(place) === String(this.at ?? null)) return;
    this.at = place;
    this.draw();
    if (!place) { this.tip.style.visibility = "hidden"; return; }
    const lines = this.describe(...this.classes(place));
    this.tip.replaceChildren(...lines.map((line, i) => { const row = element("div"); row.append(i ? line : element("b", "", line)); return row; }));
    const x = this.left + (place[1] + 1) * this.cell + 8, y = (place[0] + 1) * this.cell + 6;
    this.tip.style.left = `${Math.max(0, Math.min(x, this.board.clientWidth - this.tip.offsetWidth - 4))}px`;
    this.tip.style.top = `${y}px`;
    this.tip.style.visibility = "visible";
  }

  key(event) {
    const step = event.shiftKey ? 10 : 1;
    const moves = { ArrowUp: [-step, 0], ArrowDown: [step, 0], ArrowLeft: [0, -step], ArrowRight: [0, step] };
    if (event.key === "Enter" || event.key === " ") this.choose(this.classes(this.cursor));
    else if (event.key === "Escape") this.choose(null);
    else if (moves[event.key]) {
      this.cursor = this.cursor.map((place, axis) => Math.max(0, Math.min(this.n - 1, place + moves[event.key][axis])));
      this.at = null; this.hover(this.cursor);
      this.live.textContent = this.describe(...this.classes(this.cursor)).join(", ");
    } else return;
    event.preventDefault(); event.stopPropagation();
  }

  choose(cell) {
    this.chosen = cell;
    this.live.textContent = cell ? `Selected: ${this.describe(...cell).join(", ")}` : "Nothing selected";
    this.mark(); this.draw();
    this.send(cell);
  }
}

function element(tag, style = "", text = "") {
  const made = document.createElement(tag);
  if (style) made.className = style;
  if (text) made.textContent = text; // names are only ever text
  return made;
}

// As `searched` in dashboard/text.py: accents composed, no word joiners, any case.
function searched(text) {
  return text.replaceAll("\u2060", "").normalize("NFC").toLocaleLowerCase();
}

function percent(tenths, unit = " %") { return (tenths / 10).toFixed(1) + unit; }

function mix(ramp, share) {
  const place = Math.max(0, Math.min(1, share)) * (ramp.length - 1), low = Math.min(Math.floor(place), ramp.length - 2), part = place - low;
  const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const [a, b] = [channels(ramp[low]), channels(ramp[low + 1])];
  return a.map((from, i) => Math.round(from + (b[i] - from) * part));
}

function elided(pen, text, width) {
  if (pen.measureText(text).width <= width) return text;
  let end = text.length;
  while (end > 1 && pen.measureText(text.slice(0, end) + "…").width > width) end--;
  return text.slice(0, end).trimEnd() + "…";
}
