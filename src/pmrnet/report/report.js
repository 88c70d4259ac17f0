// Sliders, blending and flicker of a registration report. Without it the page shows middle slices.
"use strict";

(() => {
  // Well below three flashes a second, which can harm.
  const FLICKER_MS = 600;
  const root = document.documentElement;
  root.classList.add("scripted");

  for (const plane of document.querySelectorAll(".plane")) {
    const slices = JSON.parse(plane.dataset.slices);
    const slider = plane.querySelector(".slice");
    const output = plane.querySelector("output");
    const show = () => {
      const slice = slices[slider.valueAsNumber];
      plane.style.setProperty("--x", slice.x);
      plane.style.setProperty("--y", slice.y);
      output.textContent = slice.text;
      slider.setAttribute("aria-valuetext", slice.text);
    };
    slider.addEventListener("input", show);
    show(); // a browser may have kept the slider where it was before the page was loaded again
  }

  const blend = document.getElementById("blend");
  const other = document.getElementById("other");
  const flicker = document.getElementById("flicker");
  const captions = document.querySelectorAll(".panel-blend .caption");
  let timer = null;

  const showBlend = () => {
    const share = blend.valueAsNumber;
    const name = document.querySelector("input[name=other]:checked").value;
    root.style.setProperty("--blend", share / 100);
    root.dataset.other = name;
    other.textContent = name === "moved" ? "Moved" : "Moving";
    const text = share === 0 ? "fixed" : share === 100 ? name : `${100 - share}% fixed, ${share}% ${name}`;
    blend.setAttribute("aria-valuetext", text);
    for (const caption of captions) caption.textContent = `Shown: ${text}`;
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    flicker.setAttribute("aria-pressed", "false");
  };

  blend.addEventListener("input", () => { stop(); showBlend(); });
  for (const choice of document.querySelectorAll("input[name=other]")) {
    choice.addEventListener("change", showBlend);
  }
  flicker.addEventListener("click", () => {
    if (timer !== null) return stop();
    flicker.setAttribute("aria-pressed", "true");
    const swap = () => { blend.value = blend.valueAsNumber < 50 ? 100 : 0; showBlend(); };
    swap();
    timer = setInterval(swap, FLICKER_MS);
  });
  showBlend();
})();
