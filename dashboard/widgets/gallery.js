// Samples as cards: the picture, and one heat layer per method over it. The slider works without the server.

const views = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let view = views.get(parentElement);
  if (!view) views.set(parentElement, (view = new Gallery(parentElement)));
  view.open = (row) => setTriggerValue("open", row);
  view.update(data);
}

class Gallery {
  constructor(root) {
    this.box = root.querySelector(".gallery");
    this.cards = root.querySelector(".cards");
    const [slider, shown] = [root.querySelector("input"), root.querySelector("output")];
    slider.oninput = () => {
      this.box.style.setProperty("--opacity", slider.value);
      shown.textContent = `${Math.round(100 * slider.value)} %`;
    };
  }

  update(data) {
    this.box.style.setProperty("--columns", data.columns.length + 1);
    if (data.opacity) this.box.querySelector(".of").textContent = data.opacity;
    this.box.querySelector(".bar").hidden = !data.columns.length;
    this.box.classList.toggle("alone", !data.columns.length);
    this.box.classList.toggle("many", data.columns.length > 7);
    show(this.box, data);
    const known = new Map([...this.cards.children].map((card) => [card.dataset.key, card]));
    const cards = data.items.map((item) => this.card(item, data, known.get(String(item.row))));
    // moving nodes would restart pictures and lose the focus, so only what changed place is touched
    cards.forEach((card, place) => { if (this.cards.children[place] !== card) this.cards.insertBefore(card, this.cards.children[place] ?? null); });
    while (this.cards.children.length > cards.length) this.cards.lastElementChild.remove();
    this.beginAtTop(data.items[0]?.row);
  }

  beginAtTop(first) {
    // another page or cell was opened from the foot of this one
    if (this.first !== undefined && this.first !== first && this.box.getBoundingClientRect().top < 0) this.box.scrollIntoView({ block: "start" });
    this.first = first;
  }

  card(item, data, known) {
    const card = known ?? element("article");
    card.dataset.key = item.row;
    card.classList.toggle("chosen", item.row === data.chosen);
    const text = JSON.stringify([item.classes, item.base, item.id, item.outline]);
    if (card.dataset.text !== text) {
      card.dataset.text = text;
      card.tiles = element("div", "tiles");
      card.replaceChildren(heading(item), card.tiles);
      card.tiles.append(this.original(item, data.openable));
    }
    data.columns.forEach((column, place) => this.tile(card.tiles, place + 1, column, item, item.tiles[place]));
    while (card.tiles.children.length > data.columns.length + 1) card.tiles.lastElementChild.remove();
    return card;
  }

  original(item, openable) {
    const frame = element(openable ? "button" : "div", openable ? "frame opens" : "frame");
    const words = `sample ${item.id}: ${item.classes.map((c) => `${c.role} ${c.name}${c.chance && `, ${c.chance}`}`).join("; ")}`;
    frame.setAttribute("aria-label", openable ? `Open ${words}` : words);
    layers(frame, item.base, { outline: item.outline });
    if (openable) Object.assign(frame, { type: "button", title: "Open this sample", onclick: () => this.open(item.row) });
    return figure(frame, "Original");
  }

  tile(tiles, place, column, item, state) {
    const text = JSON.stringify([column.title, item.base, item.outline, state]);
    const before = tiles.children[place];
    if (before?.dataset.text === text) return;
    const frame = element(state.heat ? "button" : "div", "frame");
    if (state.none) {
      frame.classList.add("none");
      frame.append("not available");
      frame.title = `${column.title}: ${state.none}`;
    } else {
      layers(frame, state.base ?? item.base, { ...state, outline: item.outline });
      if (state.heat) this.opens(frame, column, item, state);
      else frame.classList.add("wait");
      frame.title = state.heat ? `${column.title}: ${column.summary}` : `${column.title}: not computed yet`;
      if (state.flag) { const flag = element("span", "flag", "!"); flag.title = state.flag; frame.append(flag); }
    }
    const made = figure(frame, state.note ? `${column.title} · ${state.note}` : column.title);
    made.dataset.text = text;
    made.dataset.state = state.none ? "refused" : state.heat ? "ready" : "waiting";
    before ? before.replaceWith(made) : tiles.append(made);
  }

  opens(frame, column, item, state) {
    const title = `${column.title} – sample ${item.id}`;
    frame.type = "button";
    frame.setAttribute("aria-label", `${title}. Enlarge`);
    frame.onclick = () => {
      const large = element("div", "frame");
      layers(large, state.base ?? item.large, { ...state, outline: item.outline });
      const classes = item.classes.map((one) => `${one.role}: ${one.name}${one.chance && ` ${one.chance}`}`).join(" · ");
      enlarge(this.box, frame, title, large, [[classes, state.note].filter(Boolean).join(" · "), column.summary, state.flag, state.full]);
    };
  }
}

function heading(item) {
  const header = element("header");
  for (const one of item.classes) {
    const line = element("span", `class ${one.kind}`);
    const chance = element("span", "chance", one.chance);
    const meter = element("span", "meter"), fill = element("i");
    fill.style.width = one.chance === "" ? "0" : `${100 * one.share}%`;
    meter.append(fill);
    if (one.chance) chance.append(meter);
    const name = element("span", "name", one.name);
    name.title = one.name;
    line.append(element("span", "role", one.role), name, chance);
    header.append(line);
  }
  const id = element("span", "id", item.id);
  id.title = `Sample ${item.id}`;
  header.append(id);
  return header;
}

function figure(frame, caption) {
  const made = element("figure");
  made.append(frame, element("figcaption", "", caption));
  return made;
}
