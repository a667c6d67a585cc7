// What galleries and grids of heatmaps are made of; stands behind the script of each.

function picture(address, style = "") {
  const image = element("img", style);
  Object.assign(image, { loading: "lazy", decoding: "async", alt: "", draggable: false });
  image.onload = () => image.classList.toggle("small", Math.max(image.naturalWidth, image.naturalHeight) <= 96);
  image.onerror = () => { image.hidden = true; image.parentElement?.classList.add("gone"); };
  image.src = address;
  return image;
}

function scale({ title, low, high, gradient }) {
  const box = element("div", "scale"), ramp = element("i");
  ramp.style.background = gradient;
  box.append(element("span", "", low), ramp, element("span", "", high));
  box.title = title;
  return box;
}

// The open view: how maps are drawn, what is said of it. `bar` is the part that holds legend and opacity.
function show(box, data) {
  for (const look of ["heat", "cells", "outline", "alone"]) box.classList.toggle(`look-${look}`, data.look === look);
  box.classList.toggle("offered", data.offered); // nobody has asked for what is missing, so nothing is on its way
  box.style.setProperty("--faded", data.faded);
  box.querySelector(".scales").replaceChildren(...data.scales.map(scale));
  box.querySelector(".said").textContent = data.said.replaceAll(" %", "\u00a0%"); // a sign stays with its number
}

// A map over its picture. `state` has its address (`heat`), where the picture under it fades to (`fade`), and the
// address of what is outlined on both (`outline`).
function layers(frame, base, state) {
  frame.append(picture(base));
  if (state.heat) frame.append(picture(state.heat, "heat"));
  if (state.heat && state.fade) frame.classList.add(state.fade);
  if (state.outline) frame.append(picture(state.outline, "mask"));
}

// One tile large, with the lines below it; Escape closes, and the focus returns to where it was.
function enlarge(box, opener, title, frame, lines) {
  const dialog = box.querySelector("dialog"), header = element("header"), close = element("button", "", "Close");
  close.type = "button";
  close.onclick = () => dialog.close();
  header.append(element("span", "", title), close);
  const legend = element("div", "legend");
  legend.append(...[...box.querySelectorAll(".bar .scale")].map((one) => one.cloneNode(true)));
  const said = [...lines, box.querySelector(".said").textContent].filter(Boolean);
  dialog.replaceChildren(header, frame, legend, ...said.map((line) => element("p", "", line)));
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };
  dialog.onclose = () => { // told later: by then the next tile may be open
    if (dialog.open) return;
    dialog.replaceChildren();
    if (opener.isConnected) opener.focus();
  };
  dialog.showModal();
}

function element(tag, style = "", text = "") {
  const made = document.createElement(tag);
  if (style) made.className = style;
  if (text) made.textContent = text; // names are only ever text
  return made;
}
