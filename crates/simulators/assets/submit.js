// Sends the page's form on by itself. Without it the page has a button that does the same.
"use strict";
document.querySelector("form[data-submit]")?.submit();
