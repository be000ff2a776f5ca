// The body of a function: answers what is wrong with the page as it is shown now, one sentence each.
const faults = [];
const named = (element) => {
  const about = element.id ? "#" + element.id : element.className && element.className.baseVal === undefined ? "." + element.className : "";
  const text = (element.textContent || "").trim().slice(0, 40);
  return "<" + element.tagName.toLowerCase() + about + ">" + (text ? " \"" + text + "\"" : "");
};
// Text for screen readers alone is clipped to nothing, the skip link waits outside of the view.
const clipped = (element) => element && (getComputedStyle(element).clipPath === "inset(50%)" || clipped(element.parentElement));
const visible = (element) =>
  element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !element.closest(".skip") && !clipped(element);

// --- the frame ---
if (!document.title.trim()) faults.push("the page has no title");
if (!document.documentElement.lang) faults.push("the page tells no language");
const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")];
const firsts = headings.filter((heading) => heading.tagName === "H1");
if (firsts.length !== 1) faults.push("the page has " + firsts.length + " h1 instead of one");
headings.reduce((before, heading) => {
  const level = Number(heading.tagName[1]);
  if (level > before + 1) faults.push(named(heading) + " skips a level of headings");
  return level;
}, 0);
if (document.querySelectorAll("main").length !== 1) faults.push("the page has not one main part");
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
for (const id of new Set(ids.filter((id, index) => ids.indexOf(id) !== index))) faults.push("the id " + id + " is there twice");
for (const name of ["aria-describedby", "aria-labelledby"]) {
  for (const element of document.querySelectorAll("[" + name + "]")) {
    for (const id of element.getAttribute(name).split(/\s+/)) {
      if (!document.getElementById(id)) faults.push(named(element) + " names " + id + ", which is not there");
    }
  }
}

// --- fields and buttons have names ---
for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
  const labelled = [...field.labels].some((label) => label.textContent.trim()) || field.getAttribute("aria-label");
  if (!labelled) faults.push("the field " + (field.name || field.id) + " has no label");
  if (field.type === "radio" && !field.closest("fieldset")?.querySelector("legend")) faults.push("the choice " + field.name + " has no legend");
}
for (const control of document.querySelectorAll("button, a[href], summary")) {
  if (!control.textContent.trim() && !control.getAttribute("aria-label")) faults.push(named(control) + " has no name");
}
for (const image of document.querySelectorAll("img:not([alt])")) faults.push(named(image) + " has no text");

// --- nothing is wider than the page, nothing is cut off ---
const width = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth > width) faults.push("the page is " + document.documentElement.scrollWidth + " wide in a view of " + width);
for (const element of document.body.querySelectorAll("*")) {
  if (element.closest("svg") || !visible(element)) continue;
  const box = element.getBoundingClientRect();
  if (box.right > width + 1 || box.left < -1) faults.push(named(element) + " reaches beyond the view");
  const { overflowX: overflow, borderRightWidth } = getComputedStyle(element);
  if (overflow === "visible" && parseFloat(borderRightWidth) > 0 && element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1) {
    faults.push("what is in " + named(element) + " reaches beyond its border");
  }
  if (overflow !== "visible" && element.scrollWidth > element.clientWidth + 1 && !["INPUT", "SELECT"].includes(element.tagName)) {
    faults.push(named(element) + " has to be scrolled sideways, or is cut off");
  }
}

// --- everything can be pressed with a thumb (WCAG 2.2, 2.5.8: 24 pixels) ---
for (const control of document.querySelectorAll("button, select, summary, input:not([type=hidden]), a.button, nav a")) {
  if (!visible(control)) continue;
  const target = control.labels && control.labels.length && ["radio", "checkbox"].includes(control.type) ? control.labels[0] : control;
  const box = target.getBoundingClientRect();
  if (box.height < 24 || box.width < 24) faults.push(named(control) + " is only " + Math.round(box.width) + " by " + Math.round(box.height));
}

// --- text stands out from its ground (WCAG 2.2, 1.4.3) ---
const channels = (colour) => {
  const parts = /^rgba?\(([^)]*)\)$/.exec(colour);
  if (!parts) return null;
  const [red, green, blue, alpha = 1] = parts[1].split(/[\s,/]+/).map(Number);
  return { red, green, blue, alpha };
};
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = channels(getComputedStyle(at).backgroundColor);
    if (colour && colour.alpha === 1) return colour;
  }
  return { red: 255, green: 255, blue: 255, alpha: 1 };
};
const light = (colour) => {
  const [red, green, blue] = [colour.red, colour.green, colour.blue].map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const texts = new Set(document.querySelectorAll("input:not([type=hidden], [type=radio], [type=checkbox]), select"));
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  if (walk.currentNode.data.trim()) texts.add(walk.currentNode.parentElement);
}
for (const element of texts) {
  if (["SCRIPT", "STYLE", "NOSCRIPT", "OPTION"].includes(element.tagName) || !visible(element)) continue;
  const style = getComputedStyle(element);
  const ink = channels(style.color);
  if (!ink || ink.alpha !== 1) {
    faults.push(named(element) + " has a colour that cannot be measured: " + style.color);
    continue;
  }
  const [bright, dark] = [light(ink), light(ground(element))].sort((one, other) => other - one);
  const contrast = (bright + 0.05) / (dark + 0.05);
  const size = parseFloat(style.fontSize);
  const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
  if (contrast < needed) faults.push(named(element) + " has a contrast of " + contrast.toFixed(2) + " instead of " + needed);
}

// --- nothing comes from another host ---
for (const entry of performance.getEntriesByType("resource")) {
  if (new URL(entry.name).origin !== location.origin) faults.push(entry.name + " comes from another host");
}
return faults;
