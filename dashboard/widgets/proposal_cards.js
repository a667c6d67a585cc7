// Proposals on canvases. An outline is edited with the mouse (drag a corner, double-click an edge for a new one) or
// with keys on the canvas: N and P choose a corner, arrows move it (with Shift by ten pixels), Delete takes it out,
// Insert or + puts one behind it, Enter saves, Escape gives up. Everything is in the picture's pixels.

const views = new WeakMap();
const KEYS = "Keys on the picture: N and P choose a corner, arrows move it, Delete takes it out, + adds one, Enter saves, Escape gives up.";
const NEAR = 10; // screen pixels within which the mouse is on a corner
const LEAST = 3; // corners

export default function ({ data, parentElement, setTriggerValue }) {
  let view = views.get(parentElement);
  if (!view) views.set(parentElement, (view = new Board(parentElement)));
  view.send = (said) => setTriggerValue("decide", said);
  view.update(data);
}

class Board {
  constructor(root) {
    this.root = root.querySelector(".board");
    this.cards = root.querySelector(".cards");
    this.live = root.querySelector(".live");
    this.known = new Map();
    this.shown = { annotated: true, proposed: true, evidence: 0.35 };
    for (const box of root.querySelectorAll('input[type="checkbox"]')) box.onchange = () => { this.shown[box.name] = box.checked; this.redraw(); };
    const [slider, value] = [root.querySelector('input[type="range"]'), root.querySelector("output")];
    slider.oninput = () => { this.shown.evidence = Number(slider.value); value.textContent = `${Math.round(100 * slider.value)} %`; this.redraw(); };
    new ResizeObserver(() => this.redraw()).observe(this.cards);
  }

  update(data) {
    this.data = data;
    this.root.style.setProperty("--proposed", data.proposed);
    const cards = data.items.map((item) => {
      const before = this.known.get(item.id), text = JSON.stringify([item, data.classes, data.may]);
      if (before?.text === text) return before;
      const made = new Card(this, item, data);
      made.text = text;
      return made;
    });
    this.known = new Map(cards.map((card) => [card.item.id, card]));
    cards.forEach((card, place) => { if (this.cards.children[place] !== card.box) this.cards.insertBefore(card.box, this.cards.children[place] ?? null); });
    while (this.cards.children.length > cards.length) this.cards.lastElementChild.remove();
    this.redraw();
  }

  redraw() { for (const card of this.known.values()) card.draw(); }
  say(text) { this.live.textContent = text; }
  hint(text) { this.root.querySelector(".keys").textContent = text; }
}

class Card {
  constructor(board, item, data) {
    Object.assign(this, { board, item, data, polygon: null, corner: 0 });
    this.box = element("article");
    this.box.dataset.id = item.id;
    const header = element("header");
    header.append(element("b", "", item.title), element("span", "kind", item.kind));
    this.box.append(header);
    if (item.none) this.box.append(element("div", "none", item.none));
    else this.box.append(this.stage());
    const sample = element("p", "sample", item.sample);
    sample.title = item.sample;
    this.box.append(element("p", "facts", `${item.facts}.`), sample);
    if (item.means && !item.decided) this.box.append(element("p", "means", `${item.accept}: ${item.means[0].toLowerCase()}${item.means.slice(1)}`));
    if (item.decided) this.box.append(element("p", "decided", item.decided));
    this.acts = element("div", "acts");
    this.box.append(this.acts);
    this.offer();
  }

  stage() {
    const stage = element("div", "stage"), canvas = (this.canvas = element("canvas"));
    canvas.tabIndex = -1;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${this.item.title} ${this.item.sample}`);
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("pointerdown", (event) => this.take(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    canvas.addEventListener("pointerup", () => { this.held = null; });
    canvas.addEventListener("dblclick", (event) => this.split(this.at(event)));
    this.base = image(this.item.base, () => this.draw());
    if (this.item.heat) this.heat = image(this.item.heat, () => this.draw());
    stage.append(canvas);
    return stage;
  }

  // ---- what can be done

  offer() {
    const editing = this.polygon !== null, off = !this.data.may;
    this.box.classList.toggle("editing", editing);
    if (editing) {
      this.acts.replaceChildren(this.button("Save", () => this.save(), "main"), this.button("Give up", () => this.edit(false)));
    } else {
      const accept = this.button(this.item.accept, () => this.decide("accept"), "main", this.item.means);
      const choose = element("select");
      choose.setAttribute("aria-label", "Label it as");
      choose.append(new Option("Label it as …", ""), ...this.data.classes.map((name, at) => new Option(name, at)));
      choose.onchange = () => choose.value !== "" && this.decide("relabel", { label: Number(choose.value) });
      this.acts.replaceChildren(accept, this.button("Reject", () => this.decide("reject")), choose);
      if (this.canvas && this.item.polygon.length) this.acts.append(this.button("Edit outline", () => this.edit(true)));
    }
    for (const each of this.acts.children) {
      each.disabled = off && !(editing && each.textContent === "Give up");
      if (off) each.title = "Say first who you are.";
    }
    this.draw();
  }

  button(text, act, style = "", title = "") {
    const made = element("button", style, text);
    made.type = "button"; made.onclick = act; made.title = title;
    return made;
  }

  decide(what, more = {}) { this.board.say(`${what}: ${this.item.title}`); this.board.send({ id: this.item.id, what, ...more }); }

  edit(begin) {
    this.polygon = begin ? pairs(this.item.polygon) : null;
    this.corner = 0;
    if (this.canvas) this.canvas.tabIndex = begin ? 0 : -1;
    this.board.hint(begin ? KEYS : "");
    this.offer();
    if (begin) this.canvas.focus();
    else this.acts.lastElementChild.focus();
  }

  save() { this.board.hint(""); this.decide("edit", { polygon: this.polygon.flat() }); }

  // ---- keys and mouse

  key(event) {
    if (!this.polygon) return;
    const step = event.shiftKey ? 10 : 1, many = this.polygon.length;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (moves[event.key]) this.move(moves[event.key]);
    else if (event.key === "n" || event.key === "N") this.corner = (this.corner + 1) % many;
    else if (event.key === "p" || event.key === "P") this.corner = (this.corner + many - 1) % many;
    else if (event.key === "Delete" || event.key === "Backspace") this.remove();
    else if (event.key === "Insert" || event.key === "+") this.add(this.corner);
    else if (event.key === "Enter") return this.swallow(event, () => this.save());
    else if (event.key === "Escape") return this.swallow(event, () => this.edit(false));
    else return;
    this.swallow(event, () => { this.told(); this.draw(); });
  }

  swallow(event, act) { event.preventDefault(); event.stopPropagation(); act(); }

  told() { const [x, y] = this.polygon[this.corner]; this.board.say(`corner ${this.corner + 1} of ${this.polygon.length} at ${x}, ${y}`); }

  move([x, y]) { const at = this.polygon[this.corner]; this.polygon[this.corner] = [at[0] + x, at[1] + y]; }

  remove() {
    if (this.polygon.length <= LEAST) return;
    this.polygon.splice(this.corner, 1);
    this.corner = Math.min(this.corner, this.polygon.length - 1);
  }

  add(before) {
    const [a, b] = [this.polygon[before], this.polygon[(before + 1) % this.polygon.length]];
    this.polygon.splice(before + 1, 0, [Math.round((a[0] + b[0]) / 2), Math.round((a[1] + b[1]) / 2)]);
    this.corner = before + 1;
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect(), [left, top, right, bottom] = this.item.crop;
    return [left + ((event.clientX - box.left) / box.width) * (right - left), top + ((event.clientY - box.top) / box.height) * (bottom - top)];
  }

  take(event) {
    if (!this.polygon) return;
    this.canvas.focus();
    const [x, y] = this.at(event), reach = (NEAR * (this.item.crop[2] - this.item.crop[0])) / this.canvas.getBoundingClientRect().width;
    const away = this.polygon.map(([u, v]) => Math.hypot(u - x, v - y)), nearest = away.indexOf(Math.min(...away));
    if (away[nearest] > reach) return;
    this.corner = this.held = nearest;
    this.canvas.setPointerCapture(event.pointerId);
    this.draw();
  }

  drag(event) {
    if (this.held == null || !this.polygon) return;
    this.polygon[this.held] = this.at(event).map(Math.round);
    this.draw();
  }

  split([x, y]) {
    if (!this.polygon) return;
    const away = this.polygon.map((a, i) => fromEdge([x, y], a, this.polygon[(i + 1) % this.polygon.length]));
    this.add(away.indexOf(Math.min(...away)));
    this.polygon[this.corner] = [Math.round(x), Math.round(y)];
    this.told(); this.draw();
  }

  // ---- drawing

  draw() {
    const canvas = this.canvas;
    if (!canvas) return;
    const [left, top, right, bottom] = this.item.crop, ratio = devicePixelRatio || 1;
    canvas.style.aspectRatio = `${right - left} / ${bottom - top}`;
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round((width * (bottom - top)) / (right - left));
    if (!width) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext("2d"), scale = width / (right - left), shown = this.board.shown;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.imageSmoothingEnabled = scale < 6;
    this.layer(pen, this.base, 1);
    this.layer(pen, this.heat, shown.evidence);
    pen.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
    const line = (1.6 * ratio) / scale;
    if (shown.proposed && !this.polygon) this.trace(pen, this.item.region, [[line, this.data.proposed, []]], `${this.data.proposed}33`);
    // over the proposal: an enlargement begins where the annotation ends
    if (shown.annotated) this.trace(pen, this.item.annotated, [[line * 2.2, "rgb(0 0 0 / 0.7)", []], [line, this.item.colour, [line * 4, line * 2.5]]]);
    if (this.polygon) this.handles(pen, line);
  }

  layer(pen, picture, opacity) {
    if (!picture?.complete || !picture.naturalWidth || !opacity) return;
    const [left, top, right, bottom] = this.item.crop, seen = this.item.seen;
    const [across, down] = [picture.naturalWidth / (seen[2] - seen[0]), picture.naturalHeight / (seen[3] - seen[1])];
    pen.globalAlpha = opacity;
    pen.drawImage(picture, (left - seen[0]) * across, (top - seen[1]) * down, (right - left) * across, (bottom - top) * down, 0, 0, pen.canvas.width, pen.canvas.height);
    pen.globalAlpha = 1;
  }

  trace(pen, lines, strokes, fill = null) {
    const path = new Path2D();
    for (const line of lines) {
      pairs(line).forEach(([x, y], at) => (at ? path.lineTo(x, y) : path.moveTo(x, y)));
      path.closePath();
    }
    if (fill) { pen.fillStyle = fill; pen.fill(path, "evenodd"); }
    for (const [width, colour, dashes] of strokes) { pen.lineWidth = width; pen.strokeStyle = colour; pen.setLineDash(dashes); pen.stroke(path); }
    pen.setLineDash([]);
  }

  handles(pen, line) {
    this.trace(pen, [this.polygon.flat()], [[line * 1.2, this.data.proposed, []]], `${this.data.proposed}2b`);
    this.polygon.forEach(([x, y], at) => {
      pen.beginPath();
      pen.arc(x, y, line * (at === this.corner ? 4 : 2.6), 0, 2 * Math.PI);
      pen.fillStyle = at === this.corner ? this.data.proposed : "#fff";
      pen.fill();
      pen.lineWidth = line; pen.strokeStyle = at === this.corner ? "#fff" : this.data.proposed; pen.stroke();
    });
  }
}

function element(tag, style = "", text = "") {
  const made = document.createElement(tag);
  if (style) made.className = style;
  if (text) made.textContent = text; // names are only ever text
  return made;
}

function image(address, then) {
  const made = new Image();
  made.onload = then;
  made.src = address;
  return made;
}

function pairs(flat) {
  const found = [];
  for (let i = 0; i + 1 < flat.length; i += 2) found.push([flat[i], flat[i + 1]]);
  return found;
}

function fromEdge([x, y], a, b) {
  const [u, v] = [b[0] - a[0], b[1] - a[1]], length = u * u + v * v || 1;
  const along = Math.max(0, Math.min(1, ((x - a[0]) * u + (y - a[1]) * v) / length));
  return Math.hypot(x - a[0] - along * u, y - a[1] - along * v);
}
