// A picture to point at. What is picked goes to the server as shares of the picture: left, top, right, bottom.

const pickers = new WeakMap();
const STEP = 0.02, LEAST = 0.015; // of the picture: how far a key moves the cross, and what is no box but a click

export default function ({ data, parentElement, setTriggerValue }) {
  let picker = pickers.get(parentElement);
  if (!picker) pickers.set(parentElement, (picker = new Picker(parentElement)));
  picker.tell = (box) => setTriggerValue("picked", box);
  picker.update(data);
}

class Picker {
  constructor(root) {
    [this.bar, this.stage, this.box, this.cross] = ["bar", "stage", "box", "cross"].map((name) => root.querySelector(`.${name}`));
    this.layer = "compared";
    this.from = this.at = null;
    this.stage.onpointerdown = (event) => this.press(event);
    this.stage.onpointermove = (event) => { if (this.dragging) this.reach(this.place(event)); };
    this.stage.onpointerup = (event) => { if (this.dragging) { this.reach(this.place(event)); this.dragging = false; this.pick(); } };
    this.stage.onpointercancel = () => { this.dragging = false; this.forget(); };
    this.stage.onkeydown = (event) => this.key(event);
    this.stage.onblur = () => { this.cross.hidden = true; };
  }

  update(data) {
    this.stage.style.setProperty("--shape", data.shape);
    if (this.base !== data.base) this.forget();
    this.base = data.base;
    this.data = data;
    this.draw();
    const buttons = data.layers.map((one) => {
      const button = element("button", "", one.title);
      Object.assign(button, { type: "button", onclick: () => { this.layer = one.key; this.update(this.data); } });
      button.setAttribute("role", "radio");
      button.setAttribute("aria-checked", one.key === this.layer);
      return button;
    });
    const focused = [...this.bar.children].indexOf(this.bar.getRootNode().activeElement);
    this.bar.replaceChildren(...buttons);
    if (focused >= 0) buttons[focused]?.focus();
  }

  draw() {
    const chosen = this.data.layers.find((one) => one.key === this.layer);
    const wanted = [this.data.base, chosen?.address, this.data.outline].filter(Boolean);
    const text = JSON.stringify(wanted);
    if (this.stage.dataset.shown === text) return;
    this.stage.dataset.shown = text;
    this.stage.querySelectorAll("img").forEach((image) => image.remove());
    this.stage.prepend(...wanted.map((address) => picture(address)));
  }

  place(event) {
    const area = this.stage.getBoundingClientRect();
    return [within((event.clientX - area.left) / area.width), within((event.clientY - area.top) / area.height)];
  }

  press(event) {
    if (event.button !== 0) return;
    this.stage.setPointerCapture(event.pointerId);
    this.dragging = true;
    this.from = this.at = this.place(event);
    this.cross.hidden = true;
    this.show();
  }

  reach(at) {
    this.at = at;
    this.show();
  }

  show() {
    const [left, top, right, bottom] = this.edges();
    this.box.hidden = !this.wide();
    Object.assign(this.box.style, { left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * (right - left)}%`, height: `${100 * (bottom - top)}%` });
    Object.assign(this.cross.style, { left: `${100 * this.at[0]}%`, top: `${100 * this.at[1]}%` });
  }

  edges() {
    return [Math.min(this.from[0], this.at[0]), Math.min(this.from[1], this.at[1]), Math.max(this.from[0], this.at[0]), Math.max(this.from[1], this.at[1])];
  }

  wide() {
    const [left, top, right, bottom] = this.edges();
    return right - left >= LEAST && bottom - top >= LEAST;
  }

  pick() {
    this.tell(this.wide() ? this.edges() : [...this.at, ...this.at]);
    if (!this.wide()) this.box.hidden = true;
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if (!move && !["Enter", " ", "Escape"].includes(event.key)) return;
    event.preventDefault();
    if (event.key === "Escape") return this.forget();
    this.at ??= [0.5, 0.5];
    this.from ??= this.at;
    if (move) {
      this.at = this.at.map((value, axis) => within(value + STEP * move[axis]));
      if (!event.shiftKey) this.from = this.at;
      this.cross.hidden = false;
      this.show();
    } else this.pick();
  }

  forget() {
    this.from = this.at = null;
    this.box.hidden = this.cross.hidden = true;
  }
}

function within(share) {
  return Math.min(1, Math.max(0, share));
}
