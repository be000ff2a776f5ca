// Shows how long a payment still waits. Without it the page says until when, and works the same.
"use strict";
for (const clock of document.querySelectorAll("[data-remaining-ms]")) {
  const end = Date.now() + Number(clock.dataset.remainingMs);
  const tick = () => {
    const seconds = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    clock.textContent = Math.floor(seconds / 60) + ":" + String(seconds % 60).padStart(2, "0");
    if (seconds === 0) {
      clearInterval(timer);
      location.reload();
    }
  };
  const timer = setInterval(tick, 500);
  tick();
}
