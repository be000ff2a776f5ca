// Everything works without this file; it saves reloads and typing.
(() => {
  "use strict";

  // --- an order's page: follows the order as it changes ---
  const live = document.querySelector("[data-live]");
  if (live && "EventSource" in window) {
    const announcer = document.getElementById("announcer");
    let shown = null;
    const source = new EventSource(live.dataset.live);
    source.addEventListener("order", (event) => {
      const told = JSON.parse(event.data);
      const first = shown === null;
      if (told.html !== shown) {
        const focused = live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
        // Rendered and escaped by our own server, from our own origin.
        live.innerHTML = told.html;
        if (focused) {
          const again = [...live.querySelectorAll("a[href]")].find((link) => link.getAttribute("href") === focused);
          if (again) again.focus();
        }
        shown = told.html;
        document.title = told.title + " - Fernhill";
        // What the page said when it was opened need not be said again.
        if (!first || told.status !== live.dataset.status) announcer.textContent = told.say;
        live.dataset.status = told.status;
      }
    });
  }

  const form = document.querySelector("[data-cashier]");
  if (!form) return;
  const amount = form.elements.namedItem("baseamount");
  const currency = form.elements.namedItem("currency");

  // --- a page from the browser's history would send the key of an order that exists ---
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) window.location.reload();
  });

  // --- what the platform refused is read first ---
  const problems = document.getElementById("problems");
  if (problems) problems.focus();

  // --- one press, one order ---
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) {
      event.preventDefault();
      return;
    }
    sent = true;
    const button = form.querySelector("button[data-busy]");
    button.querySelector("span").textContent = button.dataset.busy;
    button.classList.add("busy");
    button.setAttribute("aria-busy", "true");
  });

  // --- the test PIN follows amount and currency until somebody types another ---
  const pin = form.querySelector("[data-voucher]");
  if (pin) {
    const prefixes = new Map(pin.dataset.voucher.split(",").map((pair) => pair.split(":")));
    let made = pin.value;
    const follow = () => {
      const parts = /^(\d{1,6})(?:\.(\d{1,2}))?$/.exec(amount.value.trim());
      const prefix = prefixes.get(currency.value);
      const serial = /^\d{2}(\d{6})\d{8}$/.exec(made);
      if (!parts || !prefix || !serial || pin.value !== made) return;
      // Text all the way: an amount is never a binary fraction.
      made = prefix + serial[1] + (parts[1] + (parts[2] || "").padEnd(2, "0")).padStart(8, "0");
      pin.value = made;
    };
    amount.addEventListener("input", follow);
    currency.addEventListener("change", follow);
  }

  // --- a trigger changes the last digits of the amount and leaves everything else as it is ---
  const whole = new Set(form.dataset.whole.split(","));
  for (const link of document.querySelectorAll("[data-cents]")) {
    link.addEventListener("click", (event) => {
      const major = /^(\d+)/.exec(amount.value.trim());
      if (!major || event.metaKey || event.ctrlKey) return;
      event.preventDefault();
      amount.value = whole.has(currency.value)
        ? (major[1].slice(0, -2) || "1") + link.dataset.cents
        : major[1] + "." + link.dataset.cents;
      amount.dispatchEvent(new Event("input", { bubbles: true }));
      amount.focus();
    });
  }

  // --- a public test card fills in the card's fields ---
  const cards = [...form.querySelectorAll("a[data-card]")];
  for (const card of cards) {
    card.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey) return;
      event.preventDefault();
      for (const part of form.querySelectorAll("[data-part]")) part.value = card.getAttribute("data-card-" + part.dataset.part);
      for (const other of cards) other.removeAttribute("aria-current");
      card.setAttribute("aria-current", "true");
    });
  }
  for (const part of form.querySelectorAll("[data-part]")) {
    part.addEventListener("input", () => {
      for (const card of cards) card.removeAttribute("aria-current");
    });
  }

  // --- what 3-D Secure asks of this browser ---
  const depths = [1, 4, 8, 15, 16, 24, 32, 48];
  const device = {
    "browser.language": navigator.language,
    "browser.javaEnabled": "false",
    "browser.javaScriptEnabled": "true",
    "browser.colorDepth": depths.includes(screen.colorDepth) ? screen.colorDepth : 24,
    "browser.screenHeight": screen.height,
    "browser.screenWidth": screen.width,
    "browser.timeZoneOffset": new Date().getTimezoneOffset(),
  };
  for (const field of form.querySelectorAll("[data-device]")) field.value = device[field.name] ?? "";
})();
