// Streets near the visitor. Without it the search by name still works.
"use strict";
(() => {
  const near = document.getElementById("near"), status = document.getElementById("status"), words = document.body.dataset;
  if (!navigator.geolocation) return;
  near.hidden = false;
  near.addEventListener("click", () => {
    status.textContent = words.locating;
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => { location.href = `/streets?lang=${document.documentElement.lang}&near=${coords.latitude.toFixed(4)},${coords.longitude.toFixed(4)}`; },
      () => { status.textContent = words.nolocation; },
      { timeout: 10000, maximumAge: 60000 });
  });
})();
