// Shows how long a payment still waits. Without it the page says how long it was, and works the same.
"use strict";
for (const clock of document.querySelectorAll("[data-remaining-ms]")) {
  const end = Date.now() + Number(clock.dataset.remainingMs);
  let timer = 0;
  const tick = () => {
    const seconds = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    clock.textContent = Math.floor(seconds / 60) + ":" + String(seconds % 60).padStart(2, "0");
    if (seconds === 0) {
      clearInterval(timer);
      // The server ends the payment at the same moment; a second later it has.
      setTimeout(() => location.reload(), 1000);
    }
  };
  timer = setInterval(tick, 500);
  tick();
}
