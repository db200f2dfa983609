// The phase player: draws what player.py gives it, step by step. No library, nothing from a network.
"use strict";
(function () {
  const data = JSON.parse(document.getElementById("player-data").textContent);
  const NS = "http://www.w3.org/2000/svg";
  // Okabe and Ito's colours; width, dashes and labels say the same for who sees none.
  const COLOUR = { dense: "#0072B2", relay: "#009E73", negative: "#E69F00", gate: "#CC79A7", inhibit: "#000000",
                   learn: "#D55E00", off: "#DDDDDD", cell: "#EEEEEE", spike: "#D55E00" };
  const MARGIN = 60, WIDTH = 110, TOP = 110, GAP = 30;
  // A column per layer, nearer to each other the more there are.
  const last = data.layers.length - 1, PITCH = Math.max(240, 780 / Math.max(last, 1));
  const COLUMN_X = data.layers.map((_, k) => MARGIN + k * PITCH), TOTAL = COLUMN_X[last] + WIDTH + MARGIN;
  const svg = document.getElementById("player-svg");
  const boxes = Object.create(null), cells = Object.create(null), wires = []; // by names, which may be "constructor"
  let sample = 0, step = 0, timer = null;

  function make(kind, attributes, parent) {
    const element = document.createElementNS(NS, kind);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    (parent || svg).appendChild(element);
    return element;
  }

  function write(x, y, text, size, parent, extra) {
    const element = make("text", Object.assign({ x: x, y: y, "font-size": size, fill: "#222222" }, extra || {}), parent);
    element.textContent = text;
    return element;
  }

  function drawPopulations() {
    const bottoms = COLUMN_X.map(() => TOP);
    for (const p of data.populations) {
      const columns = p.size <= 12 ? p.size : Math.ceil(Math.sqrt(p.size));
      const rows = Math.ceil(p.size / columns);
      const pitch = Math.min(9, WIDTH / columns);
      const x = COLUMN_X[p.column], y = bottoms[p.column], height = rows * pitch;
      const group = make("g", { "data-population": p.name }, layers.boxes);
      make("rect", { x: x - 5, y: y - 5, width: WIDTH + 10, height: height + 10, rx: 4, fill: "white",
                     stroke: "#777777" }, group);
      write(x - 4, y - 9, p.name + " (" + p.size + ")", 11, group);
      const count = write(x + WIDTH + 4, y - 9, "", 11, group, { "text-anchor": "end", "font-weight": "bold" });
      cells[p.name] = [];
      for (let k = 0; k < p.size; k++) {
        cells[p.name].push(make("rect", { x: x + (k % columns) * pitch, y: y + Math.floor(k / columns) * pitch,
                                          width: pitch * 0.85, height: pitch * 0.85, fill: COLOUR.cell }, group));
      }
      boxes[p.name] = { x: x - 5, y: y - 5, width: WIDTH + 10, height: height + 10, column: p.column, count: count,
                        frame: group.firstChild };
      bottoms[p.column] = y + height + GAP;
    }
    const pitch = Math.min(70, (TOTAL - 2 * MARGIN + 10) / data.chain.length);
    const r = Math.min(11, 0.45 * pitch), longest = Math.max.apply(null, data.chain.map(name => name.length));
    data.chain.forEach(function (name, k) {
      const x = MARGIN + k * pitch, group = make("g", { "data-population": name }, layers.boxes);
      const circle = make("circle", { cx: x, cy: 40, r: r, fill: COLOUR.cell, stroke: "#777777" }, group);
      write(x, 70, name, Math.min(10, 1.6 * pitch / longest), group, { "text-anchor": "middle" });
      cells[name] = [circle];
      boxes[name] = { x: x - r, y: 40 - r, width: 2 * r, height: 2 * r, column: -1, count: null, frame: circle };
    });
    svg.setAttribute("viewBox", "0 0 " + TOTAL + " " + Math.ceil(Math.max.apply(null, bottoms)));
  }

  function path(a, b) {
    if (a.column < 0) {
      return ["M", a.x + a.width / 2, a.y + a.height, "L", b.x + b.width / 2, b.y].join(" ");
    }
    const loop = a === b ? 8 : 0; // a population to itself: out above its middle, in below
    const ya = a.y + a.height / 2 - loop, yb = b.y + b.height / 2 + loop;
    if (a.column === b.column) { // past the side, of the first column the outer one; further out the further apart
      const side = a.column === 0 ? a.x : a.x + a.width, out = (a.column === 0 ? -1 : 1) * (15 + Math.abs(ya - yb) / 8);
      return ["M", side, ya, "C", side + out, ya, side + out, yb, side, yb].join(" ");
    }
    const right = a.column < b.column, xa = right ? a.x + a.width : a.x, xb = right ? b.x : b.x + b.width;
    return ["M", xa, ya, "C", (xa + xb) / 2, ya, (xa + xb) / 2, yb, xb, yb].join(" ");
  }

  function drawWires() {
    for (const c of data.fixed) {
      const hidden = boxes[c.pre].column < 0;
      const colour = c.role === "relay" && c.weight < 0 ? COLOUR.negative : COLOUR[c.role] || COLOUR.relay;
      const line = make("path", { d: path(boxes[c.pre], boxes[c.post]), fill: "none", stroke: COLOUR.off,
                                  "stroke-width": 1 }, layers.wires);
      if (c.weight < 0) line.setAttribute("stroke-dasharray", "4 3");
      if (hidden) line.setAttribute("visibility", "hidden");
      wires.push({ line: line, pre: c.pre, delay: c.delay, colour: colour, width: 2, hidden: hidden, name: null });
    }
    data.dense.forEach(function (p, k) {
      const shape = path(boxes[p.pre], boxes[p.post]);
      const rail = p.plastic ? make("path", { d: shape, fill: "none", stroke: "#BBBBBB", "stroke-width": 7 },
                                    layers.wires) : null; // plastic: a broad rail under the line
      const line = make("path", { d: shape, fill: "none", stroke: COLOUR.off, "stroke-width": 3,
                                  "data-projection": p.name }, layers.wires);
      const a = boxes[p.pre], b = boxes[p.post];
      const near = 0.3 + 0.1 * (k % 4); // labels of neighbours at different places
      const right = a.column < b.column, xa = right ? a.x + a.width : a.x, xb = right ? b.x : b.x + b.width;
      const label = write(xa + near * (xb - xa), a.y + a.height / 2 + near * near * (3 - 2 * near) *
                          (b.y + b.height / 2 - a.y - a.height / 2) - 6, p.name, 10, layers.labels,
                          { "text-anchor": "middle" });
      wires.push({ line: line, rail: rail, label: label, pre: p.pre, delay: 0, colour: COLOUR.dense, width: 3,
                   hidden: false, name: p.name });
    });
  }

  function fired(population, at) {
    const spikes = at >= 0 ? data.samples[sample].steps[at] : {};
    return Object.prototype.hasOwnProperty.call(spikes, population) ? spikes[population] : [];
  }

  function show() {
    const phase = data.phases[step];
    for (const name in cells) {
      const lit = fired(name, step);
      for (const cell of cells[name]) cell.setAttribute("fill", COLOUR.cell);
      for (const k of lit) cells[name][k].setAttribute("fill", COLOUR.spike);
      if (boxes[name].count) boxes[name].count.textContent = lit.length ? lit.length + " fire" : "";
      boxes[name].frame.setAttribute("stroke", lit.length ? COLOUR.spike : "#777777");
      boxes[name].frame.setAttribute("stroke-width", lit.length ? 2.5 : 1);
      boxes[name].frame.setAttribute("stroke-dasharray", phase.inhibited.includes(name) ? "3 3" : "none");
    }
    for (const wire of wires) {
      const carries = fired(wire.pre, step - 1 - wire.delay).length > 0;
      const learns = wire.name !== null && phase.learns.includes(wire.name);
      wire.line.setAttribute("stroke", carries ? wire.colour : COLOUR.off);
      wire.line.setAttribute("stroke-width", carries ? wire.width : 1);
      if (wire.hidden) wire.line.setAttribute("visibility", carries ? "visible" : "hidden");
      if (wire.rail) {
        wire.rail.setAttribute("stroke", learns ? COLOUR.learn : "#E4E4E4");
        wire.rail.setAttribute("stroke-width", learns ? 9 : 6);
        wire.rail.setAttribute("data-learns", learns ? "yes" : "no");
        wire.label.textContent = learns ? wire.name + " " + phase.change : wire.name;
        wire.label.setAttribute("font-weight", learns ? "bold" : "normal");
      }
    }
    const next = step === data.period ? " (of the next sample)" : "";
    document.getElementById("player-phase").textContent = "phase " + phase.phase + next;
    const says = [phase.meaning];
    if (phase.learns.length) says.push("may learn, " + phase.change + ": " + phase.learns.join(", "));
    if (phase.inhibited.length) says.push("inhibited (dashed frames): " + phase.inhibited.join(", "));
    document.getElementById("player-meaning").textContent = says.filter(Boolean).join("; ");
    document.getElementById("player-step").value = step;
  }

  function go(to) {
    step = Math.min(data.period, Math.max(0, to));
    show();
  }

  function stop() {
    if (timer !== null) clearInterval(timer);
    timer = null;
    document.getElementById("player-play").textContent = "play";
  }

  function play() {
    if (timer !== null) return stop();
    document.getElementById("player-play").textContent = "stop";
    timer = setInterval(function () { go(step === data.period ? 0 : step + 1); }, 900);
  }

  const layers = { wires: make("g", {}), boxes: make("g", {}), labels: make("g", {}) };
  drawPopulations();
  drawWires();
  const choice = document.getElementById("player-sample");
  data.samples.forEach(function (s, k) {
    const option = document.createElement("option");
    option.value = k;
    option.textContent = s.title;
    choice.appendChild(option);
  });
  choice.addEventListener("change", function () { sample = Number(choice.value); go(0); });
  const slider = document.getElementById("player-step");
  slider.max = data.period;
  slider.addEventListener("input", function () { stop(); go(Number(slider.value)); });
  document.getElementById("player-back").addEventListener("click", function () { stop(); go(step - 1); });
  document.getElementById("player-forward").addEventListener("click", function () { stop(); go(step + 1); });
  document.getElementById("player-play").addEventListener("click", play);
  document.addEventListener("keydown", function (event) {
    const own = event.target instanceof Element && event.target.matches("input, select, textarea");
    if (own || event.altKey || event.ctrlKey || event.metaKey) return; // these have keys of their own
    if (event.key === "ArrowLeft") { stop(); go(step - 1); }
    if (event.key === "ArrowRight") { stop(); go(step + 1); }
  });
  show();
})();
