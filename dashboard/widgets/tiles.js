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

function element(tag, style = "", text = "") {
  const made = document.createElement(tag);
  if (style) made.className = style;
  if (text) made.textContent = text; // names are only ever text
  return made;
}
