// Heatmaps of a few pictures in rows. Opacity, the original and the enlarged view work without the server.

const boards = new WeakMap();

export default function ({ data, parentElement }) {
  let board = boards.get(parentElement);
  if (!board) boards.set(parentElement, (board = new Board(parentElement)));
  board.update(data);
}

class Board {
  constructor(root) {
    this.box = root.querySelector(".board");
    this.rows = root.querySelector(".rows");
    const [slider, shown] = [root.querySelector("input[type=range]"), root.querySelector("output")];
    slider.oninput = () => {
      this.box.style.setProperty("--opacity", slider.value);
      shown.textContent = `${Math.round(100 * slider.value)} %`;
    };
    const original = root.querySelector("button.original");
    original.onclick = () => original.setAttribute("aria-pressed", this.box.classList.toggle("bare"));
    this.outline = root.querySelector("label.outline");
    this.outline.onchange = (event) => this.box.classList.toggle("plain", !event.target.checked);
  }

  update(data) {
    this.box.classList.toggle("flow", data.flow);
    this.box.classList.toggle("many", !data.flow && data.columns > 6);
    this.box.style.setProperty("--columns", data.columns);
    this.box.style.setProperty("--odd", data.odd);
    show(this.box, data);
    this.outline.querySelector(".what").textContent = data.outlined;
    this.outline.hidden = !data.rows.some((row) => row.cells.some((cell) => cell.mask));
    data.rows.forEach((row, place) => this.row(row, place));
    while (this.rows.children.length > data.rows.length) this.rows.lastElementChild.remove();
  }

  row(row, place) {
    const section = this.rows.children[place] ?? this.rows.appendChild(element("section"));
    const title = JSON.stringify([row.title, row.note]);
    if (section.dataset.title !== title) {
      section.dataset.title = title;
      const heading = element("h3");
      heading.append(...row.title.map((part) => element(part.strong ? "b" : "span", "", part.text)));
      if (row.note) heading.append(element("span", "note", row.note));
      section.replaceChildren(heading, element("div", "cells"));
    }
    const cells = section.lastElementChild;
    row.cells.forEach((cell, index) => this.cell(cells, index, cell));
    while (cells.children.length > row.cells.length) cells.lastElementChild.remove();
  }

  cell(cells, index, cell) {
    const text = JSON.stringify(cell);
    const before = cells.children[index];
    if (before?.dataset.text === text) return;
    const figure = element("figure");
    figure.dataset.text = text;
    figure.append(...cell.frames.map((frame) => this.frame(cell, frame)));
    if (cell.caption || cell.notes.length) figure.append(caption(cell));
    before ? before.replaceWith(figure) : cells.append(figure);
  }

  frame(cell, frame) {
    const made = filled(element(frame.heat ? "button" : "div", "frame"), cell, frame);
    if (!frame.heat) return made;
    made.type = "button";
    made.setAttribute("aria-label", `${frame.title}. Enlarge`);
    made.onclick = () => enlarge(this.box, made, frame.title, filled(element("div", "frame"), cell, frame), [frame.about]);
    return made;
  }
}

function filled(made, cell, frame) {
  made.style.setProperty("--shape", cell.shape);
  made.dataset.state = frame.none ? "refused" : frame.heat ? "ready" : "waiting";
  if (frame.none) {
    made.classList.add("none");
    made.append("not available");
    made.title = `${frame.title}: ${frame.none}`;
    return made;
  }
  layers(made, cell.base, frame);
  made.title = frame.heat ? `${frame.title}. ${frame.about}` : `${frame.title}: not computed yet`;
  if (!frame.heat) made.classList.add("wait");
  else if (cell.mask) made.append(picture(cell.mask, "mask"));
  return made;
}

function caption(cell) {
  const made = element("figcaption");
  if (cell.caption) made.append(breakable(cell.caption));
  for (const note of cell.notes) {
    const line = element("small", note.odd ? "odd" : "", note.text.replaceAll(" %", "\u00a0%")); // a sign stays with its number
    line.title = note.title;
    made.append(line);
  }
  return made;
}

// A layer's name has no spaces: it goes on in the next line after a dot, not within a word.
function breakable(name) {
  const made = element("span");
  const parts = name.replaceAll(" … ", "\u00a0… ").split(/(?<=[._/])/);
  parts.forEach((part, place) => made.append(...(place ? [element("wbr"), part] : [part])));
  return made;
}
