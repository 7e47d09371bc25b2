// The sliders of explore(): a native range input for each value, and the picture that follows them.
// The same code serves a live notebook (the kernel sends frames) and a saved page (it holds them).

// Gives the card its inputs; moved(slider) is called after each step. Returns the positions, which
// follow the inputs, and a function that moves the inputs to other positions.
function addSliders(card, sliders, start, moved) {
  const positions = [...start];
  const rows = sliders.map(({ name, labels }, i) => {
    const row = document.createElement("label");
    const [word, input, value] = ["span", "input", "b"].map((tag) => document.createElement(tag));
    Object.assign(input, { type: "range", min: 0, max: labels.length - 1, step: 1 });
    input.setAttribute("aria-label", name);
    input.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the arrow keys for its cells
    input.addEventListener("input", () => {
      positions[i] = input.valueAsNumber;
      write();
      moved(i);
    });
    word.textContent = name;
    word.ariaHidden = value.ariaHidden = "true"; // the input itself tells its name and value
    const write = () => {
      input.value = positions[i];
      value.textContent = labels[positions[i]];
      input.setAttribute("aria-valuetext", labels[positions[i]]);
    };
    row.append(word, input, value);
    write();
    return { row, write };
  });
  card.querySelector(".explore-sliders").replaceChildren(...rows.map(({ row }) => row));
  const move = (to) => {
    positions.splice(0, positions.length, ...to);
    rows.forEach(({ write }) => write());
  };
  return { positions, move };
}

// What the card shows when it comes: the start frame.
function startFrame(card) {
  const { src, alt } = card.querySelector("img");
  return { src, alt, caption: card.querySelector("figcaption").textContent };
}

// Shows a frame: a picture with its words, or the error that came instead of it.
function show(card, frame) {
  card.querySelector(".explore-error")?.remove();
  card.classList.toggle("explore-stale", Boolean(frame.error));
  if (!frame.error) {
    Object.assign(card.querySelector("img"), { src: frame.src, alt: frame.alt });
    card.querySelector("figcaption").textContent = frame.caption;
    return;
  }
  const box = document.createElement("div");
  box.className = "explore-error";
  box.setAttribute("role", "alert");
  box.innerHTML = "<p></p><details><summary>Where it happened</summary><pre></pre></details>";
  box.querySelector("p").textContent = frame.error;
  box.querySelector("pre").textContent = frame.traceback;
  card.querySelector(".explore-sliders").after(box);
}

// A saved page: every frame it has is in `frames`, by its positions.
function showSaved(id, { sliders, start, frames }) {
  for (const card of document.querySelectorAll(`[data-explore="${id}"]:not([data-ready])`)) {
    card.dataset.ready = "";
    frames[start] = startFrame(card);
    const picture = card.querySelector("img");
    // The other frames hold what differs from it, and lie over it.
    picture.style.background = `url(${picture.src}) 0 0 / 100% 100%`;
    const { positions, move } = addSliders(card, sliders, start, (moved) => {
      // Where only one slider moves at a time, the others go back to their start.
      if (!(positions in frames)) move(start.map((at, i) => (i === moved ? positions[i] : at)));
      show(card, frames[positions]);
    });
  }
}

// A live notebook: frames come from the kernel and stay in `frames`, for all views of the widget.
function showLive({ model, el }, frames) {
  el.innerHTML = model.get("figure");
  const card = el.querySelector("figure");
  frames[model.get("start")] ??= startFrame(card);
  const { positions, move } = addSliders(card, model.get("sliders"), model.get("positions"), () => {
    model.set("positions", [...positions]);
    model.save_changes(); // one at a time: while the kernel draws, steps in between are left out
  });
  const update = () => {
    if (positions in frames) show(card, frames[positions]);
    else card.classList.add("explore-stale");
  };
  const follow = () => {
    move(model.get("positions"));
    update();
  };
  const arrived = ({ at, ...frame }) => {
    if (!frame.error) frames[at] = frame;
    if (String(at) === String(positions)) show(card, frame);
  };
  model.on("change:positions", follow);
  model.on("msg:custom", arrived);
  // The reader reaches for the sliders: the kernel may draw what comes next.
  for (const reach of ["focusin", "pointerenter"])
    card.addEventListener(reach, () => model.send("ahead"), { once: true });
  if (!(positions in frames)) model.send("again"); // the browser's page was loaded anew
  update();
  return () => {
    model.off("change:positions", follow);
    model.off("msg:custom", arrived);
  };
}
