"use strict";
(() => {
  const data = JSON.parse(document.getElementById("pictures").textContent);
  const time = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
  const number = (value) => value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : 0 });

  // What stands at a place, in words.
  const words = (picture, place) => {
    const parts = [time(picture.start + place * picture.step)];
    const say = (name, value) => { if (value !== null && value !== undefined) parts.push(name + " " + value); };
    const at = (list) => list && list[place] !== null && list[place] !== undefined ? number(list[place]) : null;
    say(picture.metric, at(picture.actual) === null ? "not known" : at(picture.actual));
    say("expected", at(picture.expected));
    if (at(picture.lower) !== null) say("band", at(picture.lower) + " to " + at(picture.upper));
    if (picture.score) say("score", picture.score[place] === null ? "none" : picture.score[place].toFixed(4));
    return parts.join(", ");
  };

  // A line that follows the pointer or the arrow keys, and the values beside it.
  const follow = (plot, picture, readout) => {
    const last = picture.actual.length - 1;
    const cursor = document.createElement("div");
    cursor.className = "cursor";
    cursor.hidden = true;
    plot.append(cursor);
    plot.tabIndex = 0;
    let place = 0;
    const show = (next) => {
      place = Math.min(Math.max(next, 0), last);
      cursor.hidden = false;
      cursor.style.left = 100 * (place + 0.5) / (last + 1) + "%";
      readout.textContent = (picture.name ? picture.name + ": " : "") + words(picture, place);
    };
    const hide = () => { cursor.hidden = true; readout.textContent = ""; };
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect();
      show(Math.floor((event.clientX - box.left) / box.width * (last + 1)));
    });
    plot.addEventListener("pointerleave", hide);
    plot.addEventListener("blur", hide);
    plot.addEventListener("keydown", (event) => {
      const big = Math.max(1, Math.round(last / 20));
      const steps = { ArrowLeft: -1, ArrowRight: 1, PageDown: -big, PageUp: big };
      if (event.key in steps) show(cursor.hidden ? Math.round(last / 2) : place + steps[event.key]);
      else if (event.key === "Home") show(0);
      else if (event.key === "End") show(last);
      else if (event.key === "Escape") hide();
      else return;
      event.preventDefault();
    });
  };

  for (const plot of document.querySelectorAll("[data-picture]")) {
    const place = plot.dataset.picture;
    follow(plot, data.pictures[place], document.querySelector(`[data-readout="${place}"]`));
  }
  for (const plot of document.querySelectorAll("[data-series]")) {
    follow(plot, data.series[plot.dataset.series], document.querySelector('[data-readout="series"]'));
  }

  // Legends switch what they name.
  for (const legend of document.querySelectorAll("[data-legend]")) {
    const figure = legend.closest("figure");
    for (const key of legend.querySelectorAll("[data-layer]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = key.className;
      button.textContent = key.textContent;
      button.setAttribute("aria-pressed", "true");
      button.addEventListener("click", () => {
        const isOff = figure.classList.toggle("no-" + key.dataset.layer);
        button.setAttribute("aria-pressed", String(!isOff));
      });
      key.replaceWith(button);
    }
  }
})();
