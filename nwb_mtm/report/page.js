"use strict";
(() => {
  const STYLES = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linecap",
    "stroke-linejoin", "font-family", "font-size", "font-weight", "image-rendering", "filter"];
  const NS = "http://www.w3.org/2000/svg";

  // A copy of a drawing that carries its own looks, so that it can leave the page.
  function dressed(svg) {
    const copy = svg.cloneNode(true);
    const from = [svg, ...svg.querySelectorAll("*")];
    const to = [copy, ...copy.querySelectorAll("*")];
    from.forEach((node, i) => {
      const look = getComputedStyle(node);
      to[i].removeAttribute("class");
      for (const name of STYLES) {
        const value = look.getPropertyValue(name);
        if (value && value !== "none 0s ease 0s") to[i].style.setProperty(name, value);
      }
    });
    return copy;
  }

  // All panels of a figure on one sheet, where they stand on the page.
  function sheet(figure) {
    const panels = [...figure.querySelectorAll("svg.panel")];
    const home = figure.querySelector(".panels").getBoundingClientRect();
    const whole = document.createElementNS(NS, "svg");
    const margin = 16;
    const width = Math.ceil(home.width + 2 * margin);
    const height = Math.ceil(home.height + 2 * margin);
    whole.setAttribute("xmlns", NS);
    whole.setAttribute("viewBox", `0 0 ${width} ${height}`);
    whole.setAttribute("width", width);
    whole.setAttribute("height", height);
    const ground = document.createElementNS(NS, "rect");
    ground.setAttribute("width", width);
    ground.setAttribute("height", height);
    ground.setAttribute("fill", getComputedStyle(document.body).backgroundColor);
    const hatch = document.querySelector(".defs defs");
    const marks = hatch.cloneNode(true);
    [...hatch.querySelectorAll("rect")].forEach((node, i) => {
      marks.querySelectorAll("rect")[i].style.fill = getComputedStyle(node).fill;
    });
    whole.append(marks, ground);
    for (const panel of panels) {
      const place = panel.getBoundingClientRect();
      const copy = dressed(panel);
      copy.setAttribute("x", place.left - home.left + margin);
      copy.setAttribute("y", place.top - home.top + margin);
      copy.setAttribute("width", place.width);
      copy.setAttribute("height", place.height);
      copy.setAttribute("overflow", "visible");
      whole.append(copy);
    }
    return { code: new XMLSerializer().serializeToString(whole), width, height };
  }

  function hand(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function saveSvg(figure) {
    hand(new Blob([sheet(figure).code], { type: "image/svg+xml" }), `${figure.dataset.name}.svg`);
  }

  function savePng(figure) {
    const { code, width, height } = sheet(figure);
    const picture = new Image();
    picture.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = width * 2;
      canvas.height = height * 2;
      const pen = canvas.getContext("2d");
      pen.imageSmoothingEnabled = false;
      pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => hand(blob, `${figure.dataset.name}.png`), "image/png");
    };
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(code)}`;
  }

  function button(words, label, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = words;
    if (label) made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    return made;
  }

  for (const figure of document.querySelectorAll("figure.drawing")) {
    const row = document.createElement("div");
    row.className = "saves";
    row.append(
      button("Save SVG", `Save SVG of figure ${figure.dataset.name}`, () => saveSvg(figure)),
      button("Save PNG", `Save PNG of figure ${figure.dataset.name}`, () => savePng(figure)),
    );
    figure.append(row);
  }

  // Of several contents, show the one chosen: buttons for a few, a list for many.
  const own = (box) => [...box.children].filter((child) => child.classList.contains("choice"));
  for (const box of document.querySelectorAll(".choices")) {
    const parts = own(box);
    const picker = document.createElement("div");
    picker.className = "picker";
    picker.setAttribute("role", "group");
    picker.setAttribute("aria-label", `Choose a ${box.dataset.name}`);
    const show = (chosen) => parts.forEach((part, i) => { part.hidden = i !== chosen; });
    if (box.dataset.name === "session" || parts.length > 6) {
      const list = document.createElement("select");
      list.setAttribute("aria-label", `Choose a ${box.dataset.name}`);
      parts.forEach((part, i) => list.add(new Option(part.dataset.label, i)));
      list.addEventListener("change", () => show(Number(list.value)));
      picker.append(list);
    } else {
      const buttons = parts.map((part, i) => button(part.dataset.label, "", () => {
        show(i);
        buttons.forEach((b, j) => b.setAttribute("aria-pressed", String(i === j)));
      }));
      buttons.forEach((b, i) => b.setAttribute("aria-pressed", String(i === 0)));
      picker.append(...buttons);
    }
    box.prepend(picker);
    show(0);
  }

  // Mark in the contents where the reader is.
  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      links.forEach((a) => a.removeAttribute("aria-current"));
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-10% 0px -80% 0px" });
  document.querySelectorAll("main section").forEach((part) => seen.observe(part));
})();
