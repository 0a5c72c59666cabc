// Plays pairs of rollouts: moves the balls of each panel's SVG between the rollout's states, and shows the push
// under way. Everything it needs is in the page; it loads nothing.
(() => {
  "use strict";
  const SECONDS_PER_PUSH = 0.9;
  const REST = 0.35; // the share of a push in which only the arrow shows

  const place = (panel, rollout, pushes, time) => {
    const total = rollout.actions.length;
    const step = Math.min(Math.floor(time + 1e-9), total);
    const now = rollout.states[step];
    const next = rollout.states[Math.min(step + 1, total)];
    const share = Math.max(0, (time - step - REST) / (1 - REST));
    const at = (i) => (step === total ? now[i] : now[i] + share * (next[i] - now[i]));
    panel.querySelectorAll(".ball").forEach((ball, i) => {
      ball.setAttribute("transform", `translate(${at(2 * i)} ${-at(2 * i + 1)})`);
    });
    const arrow = panel.querySelector(".arrow");
    const readout = panel.querySelector(".readout");
    if (step === total) {
      arrow.setAttribute("visibility", "hidden");
      readout.textContent = rollout.outcome;
      return;
    }
    const ball = Math.floor(rollout.actions[step] / pushes.length);
    const [x, y] = pushes[rollout.actions[step] % pushes.length];
    const angle = (Math.atan2(-y, x) * 180) / Math.PI;
    arrow.setAttribute("visibility", "visible");
    arrow.setAttribute("transform", `translate(${at(2 * ball)} ${-at(2 * ball + 1)}) rotate(${angle})`);
    readout.textContent = `push ${step + 1} of ${total}`;
  };

  document.querySelectorAll(".player").forEach((player) => {
    const data = JSON.parse(player.querySelector("script").textContent);
    const panels = player.querySelectorAll(".panel");
    const play = player.querySelector(".play");
    const slider = player.querySelector("input");
    const length = Number(slider.max);
    let time = 0;
    let request = null; // the picture asked for from the browser, null while paused
    let last = null; // time stamp of the last picture, null before the first

    const show = () => {
      slider.value = time;
      panels.forEach((panel, i) => place(panel, data.rollouts[i], data.pushes, time));
    };
    const pause = () => {
      cancelAnimationFrame(request);
      request = null;
      play.textContent = time >= length ? "Again" : "Play";
    };
    const tick = (stamp) => {
      if (last !== null) time = Math.min(length, time + (stamp - last) / 1000 / SECONDS_PER_PUSH);
      last = stamp;
      show();
      if (time >= length) pause();
      else request = requestAnimationFrame(tick);
    };
    const go = (to) => {
      time = Math.min(length, Math.max(0, to));
      pause();
      show();
    };
    play.addEventListener("click", () => {
      if (request !== null) return pause();
      if (time >= length) time = 0;
      play.textContent = "Pause";
      last = null;
      request = requestAnimationFrame(tick);
    });
    player.querySelector(".back").addEventListener("click", () => go(Math.ceil(time) - 1));
    player.querySelector(".forward").addEventListener("click", () => go(Math.floor(time) + 1));
    slider.addEventListener("input", () => go(Number(slider.value)));
    show();
  });
})();
