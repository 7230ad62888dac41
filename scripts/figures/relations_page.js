"use strict";
// The address, #image=NAME&object=N, determines what is shown. Links only change the address.
(() => {
  const content = JSON.parse(document.getElementById("content").textContent);
  const { images, networks } = content;
  const byId = (id) => document.getElementById(id);
  const count = byId("count");
  const distinct = byId("distinct");
  const shown = { image: -1, object: -1 }; // numbers from 0; -1 for none
  const panels = networks.map(makePanel);

  function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  function address(image, object = -1) {
    const values = { image: images[image].name };
    if (object >= 0) values.object = object + 1;
    return `#${new URLSearchParams(values)}`;
  }

  // --- set-up ---------------------------------------------------------------------------------------------------

  function makePanel(network) {
    const picture = element("div", { className: "picture" });
    const about = element("p", { className: "about" });
    const weights = element("ol", { className: "weights" });
    const figure = element("figure", { className: "panel" });
    figure.append(element("figcaption", { textContent: network.title }), picture, about, weights);
    byId("panels").append(figure);
    return { figure, picture, about, weights, objects: [], marks: [] };
  }

  function makeThumbnails() {
    byId("thumbnails").append(
      ...images.map((image, number) => {
        const picture = element("img", { src: image.thumbnail, alt: image.name, title: image.name });
        return element("a", { href: address(number) }, picture);
      }),
    );
  }

  // Side by side, the default on wide screens, comes first; then each network alone.
  function makeNetworkChoice() {
    const sideBySide = networks.length > 1 ? [["side by side", "all"]] : [];
    const choices = [...sideBySide, ...networks.map((network, number) => [network.variant, String(number)])];
    const first = networks.length > 1 && matchMedia("(min-width: 56rem)").matches ? "all" : String(networks.length - 1);
    for (const [text, value] of choices) {
      const radio = element("input", { type: "radio", name: "network", value, checked: value === first });
      byId("networks").append(element("label", {}, radio, ` ${text}`));
    }
    byId("networks").hidden = networks.length < 2;
  }

  function showSkippedImages() {
    byId("left-out").hidden = !content.leftOut.length;
    byId("left-out").append(...content.leftOut.map((line) => element("li", { textContent: `Skipped: ${line}` })));
    byId("runs").textContent = `Runs: ${networks.map((network) => network.run).join(", ")}`;
  }

  // --- an image -------------------------------------------------------------------------------------------------

  function showImage(number) {
    const image = images[number];
    byId("name").textContent = `${image.name} (${number + 1} of ${images.length})`;
    panels.forEach((panel, index) => {
      const picture = element("img", { src: image.source, alt: image.name, width: image.width, height: image.height });
      const lines = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      lines.setAttribute("viewBox", "0 0 100 100");
      lines.setAttribute("preserveAspectRatio", "none");
      lines.setAttribute("aria-hidden", "true");
      const { objects, regions } = image.networks[index];
      panel.objects = objects.map((object, each) => makeObject(image, regions[object.region], number, each));
      panel.lines = lines;
      panel.marks = [];
      panel.picture.replaceChildren(picture, ...panel.objects, lines);
    });
    [...byId("thumbnails").children].forEach((link, each) => {
      link.tabIndex = each === number ? 0 : -1;
      each === number ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
    });
    const strip = byId("thumbnails");
    const link = strip.children[number];
    strip.scrollLeft = link.offsetLeft - strip.offsetLeft - (strip.clientWidth - link.clientWidth) / 2;
  }

  function makeObject(image, region, number, each) {
    const name = `object ${each + 1}: ${region.category} ${region.probability.toFixed(2)}`;
    const link = element("a", { className: "object", href: address(number, each), title: name });
    link.setAttribute("aria-label", name);
    place(link, region.box, image);
    const [x1, y1, x2, y2] = region.box;
    const part = ((x2 - x1 + 1) * (y2 - y1 + 1)) / (image.width * image.height);
    link.style.zIndex = Math.max(1, Math.round(1000 * (1 - part))); // Smaller objects are above larger ones.
    return link;
  }

  // A box includes its last pixel.
  function place(item, [x1, y1, x2, y2], { width, height }) {
    item.style.left = `${(100 * x1) / width}%`;
    item.style.top = `${(100 * y1) / height}%`;
    item.style.width = `${(100 * (x2 - x1 + 1)) / width}%`;
    item.style.height = `${(100 * (y2 - y1 + 1)) / height}%`;
  }

  // --- an object ------------------------------------------------------------------------------------------------

  function showObject() {
    const image = images[shown.image];
    const found = image.networks.map((network) => attendedRegions(network));
    const strongest = Math.max(...found.flat().map((each) => each.weight), 1e-9); // The same scale in all panels.
    panels.forEach((panel, index) => drawObject(panel, image, image.networks[index], found[index], strongest));
  }

  function attendedRegions({ regions, objects }) {
    const attended = objects[shown.object]?.attended ?? [];
    const kept = [];
    for (const each of attended) {
      const repeats = kept.some((better) => overlap(regions[better.region].box, regions[each.region].box) > content.samePlace);
      if (!(distinct.checked && repeats)) kept.push(each);
    }
    return kept.slice(0, Number(count.value));
  }

  function overlap(one, other) {
    const area = ([x1, y1, x2, y2]) => Math.max(0, x2 - x1 + 1) * Math.max(0, y2 - y1 + 1);
    const corner = (each, choose) => choose(one[each], other[each]);
    const shared = area([corner(0, Math.max), corner(1, Math.max), corner(2, Math.min), corner(3, Math.min)]);
    return shared / (area(one) + area(other) - shared);
  }

  function drawObject(panel, image, { regions, objects }, found, strongest) {
    const object = objects[shown.object];
    panel.picture.classList.toggle("chosen", object !== undefined);
    panel.objects.forEach((link, each) => {
      each === shown.object ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
    });
    panel.marks.forEach((mark) => mark.remove());
    panel.marks = found.map((each) => makeMark(image, regions[each.region].box, each.text, each.weight / strongest));
    panel.picture.append(...panel.marks.slice().reverse()); // the strongest on top
    panel.lines.replaceChildren(
      ...found.map((each) => makeLine(image, regions[object.region].box, regions[each.region].box, each.weight / strongest)),
    );
    panel.weights.replaceChildren(
      ...found.map((each, rank) => makeRow(rank, each, regions[each.region], strongest, panel.marks[rank])),
    );
    panel.about.textContent = object ? describe(object, regions[object.region], found) : "";
  }

  function makeMark(image, box, text, strength) {
    const mark = element("div", { className: "region" }, element("span", { textContent: text }));
    place(mark, box, image);
    mark.style.borderWidth = `${1.5 + 2.5 * strength}px`;
    mark.style.zIndex = 2000;
    mark.setAttribute("aria-hidden", "true"); // The list below has the same weights.
    mark.classList.toggle("at-right", box[0] + box[2] > 1.5 * image.width);
    mark.classList.toggle("at-top", box[1] < 0.06 * image.height);
    return mark;
  }

  function makeLine(image, from, to, strength) {
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    const centre = ([x1, y1, x2, y2]) => [(50 * (x1 + x2 + 1)) / image.width, (50 * (y1 + y2 + 1)) / image.height];
    [["x1", "y1"], ["x2", "y2"]].forEach(([x, y], end) => {
      const at = centre(end ? to : from);
      line.setAttribute(x, at[0]);
      line.setAttribute(y, at[1]);
    });
    line.style.strokeWidth = `${1 + 5 * strength}px`;
    line.style.opacity = 0.3 + 0.6 * strength;
    return line;
  }

  function makeRow(rank, { weight, text }, region, strongest, mark) {
    const bar = element("span", { className: "bar" });
    bar.style.width = `${(100 * weight) / strongest}%`;
    const row = element(
      "li",
      {},
      element("span", { className: "rank", textContent: `${rank + 1}.` }),
      element("span", { className: "weight", textContent: text }),
      bar,
      element("span", { className: "category", textContent: `${region.category} ${region.probability.toFixed(2)}` }),
    );
    row.addEventListener("pointerenter", () => mark.classList.add("marked"));
    row.addEventListener("pointerleave", () => mark.classList.remove("marked"));
    return row;
  }

  function describe(object, region, found) {
    const sum = found.reduce((total, each) => total + each.weight, 0);
    const closest = object.overlap < content.samePlace ? ` (closest region, IoU ${object.overlap.toFixed(2)})` : "";
    return (
      `Object ${shown.object + 1}: ${region.category} ${region.probability.toFixed(2)}${closest}. ` +
      `Weight of the regions shown: ${sum.toFixed(3)}; of the object itself: ${object.selfWeight}. ` +
      `Share of its row in the total weight of all pairs: ${object.rowMass}.`
    );
  }

  // --- address and keyboard -------------------------------------------------------------------------------------

  function follow() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const name = wanted.get("image");
    const number = images.findIndex((image) => image.name === name);
    const image = Math.max(number, 0);
    const object = Number(wanted.get("object") ?? 0) - 1;
    const objects = Math.max(...images[image].networks.map((network) => network.objects.length));
    const exists = number === image && Number.isInteger(object) && object < objects;
    if (image !== shown.image) showImage(image);
    shown.image = image;
    shown.object = exists && object >= 0 ? object : -1;
    const unknownImage = name !== null && number < 0 ? `Unknown image ${name}; showing the first image. ` : "";
    const unknownObject = !unknownImage && !exists && name !== null ? `Unknown object ${wanted.get("object")}. ` : "";
    const state = shown.object >= 0 ? `Object ${shown.object + 1} of ${objects}.` : `${objects} objects. Click one.`;
    byId("status").textContent = unknownImage + unknownObject + state;
    showObject();
  }

  function showControls() {
    byId("count-text").textContent = count.value;
    const choice = new FormData(byId("controls")).get("network");
    panels.forEach((panel, index) => {
      panel.figure.hidden = choice !== "all" && Number(choice) !== index;
    });
    const first = panels.find((panel) => !panel.figure.hidden); // Tab visits each object once.
    panels.forEach((panel) => panel.objects.forEach((link) => (link.tabIndex = panel === first ? 0 : -1)));
  }

  function update() {
    follow();
    showControls();
  }

  // The hashchange event comes later, and keys may be faster.
  function go(hash) {
    location.hash = hash;
    update();
  }

  function press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (event.key === "Escape" && shown.object >= 0) go(address(shown.image));
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined || event.target.matches("input")) return; // Inputs use the arrow keys themselves.
    event.preventDefault();
    const wasInside = byId("panels").contains(document.activeElement); // The focused element is about to be removed.
    go(address((shown.image + step + images.length) % images.length));
    if (wasInside) byId("name").focus({ preventScroll: true });
  }

  makeThumbnails();
  makeNetworkChoice();
  showSkippedImages();
  addEventListener("hashchange", update);
  document.addEventListener("keydown", press);
  byId("controls").addEventListener("input", update);
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  update();
})();
