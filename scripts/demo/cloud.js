// Turns a cloud by dragging or with the arrow keys. Points: int16 x, y, z and uint8 r, g, b, each list in turn.
for (const canvas of document.querySelectorAll("canvas[data-points]")) {
  const bytes = Uint8Array.from(atob(canvas.dataset.points), (c) => c.charCodeAt(0));
  const count = +canvas.dataset.count;
  const xyz = new Int16Array(bytes.buffer, 0, 3 * count);
  const rgb = bytes.subarray(6 * count);
  const scale = +canvas.dataset.unit, away = +canvas.dataset.distance, focal = +canvas.dataset.focal * canvas.height;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(picture.data.buffer);
  const nearest = new Float32Array(pixels.length);
  let yaw = +canvas.dataset.yaw, pitch = +canvas.dataset.pitch, zoom = 1, waiting = false;

  function draw() {
    waiting = false;
    const w = canvas.width, h = canvas.height;
    pixels.fill(0xff181412); // background 18, 20, 24, little-endian
    nearest.fill(Infinity);
    const cy = Math.cos(yaw), sy = Math.sin(yaw), cp = Math.cos(pitch), sp = Math.sin(pitch);
    for (let i = 0; i < count; i++) {
      const x = xyz[3 * i] * scale, y = xyz[3 * i + 1] * scale, z = xyz[3 * i + 2] * scale;
      const turned = cy * z - sy * x;
      const right = cy * x + sy * z, down = cp * y - sp * turned, depth = sp * y + cp * turned + away / zoom;
      if (depth < 0.02 * away) continue;
      const u = Math.round((right / depth) * focal + w / 2), v = Math.round((down / depth) * focal + h / 2);
      if (u < 0 || v < 0 || u >= w - 1 || v >= h - 1) continue;
      const colour = 0xff000000 | (rgb[3 * i + 2] << 16) | (rgb[3 * i + 1] << 8) | rgb[3 * i];
      for (const at of [v * w + u, v * w + u + 1, (v + 1) * w + u, (v + 1) * w + u + 1]) {
        if (depth < nearest[at]) { nearest[at] = depth; pixels[at] = colour; }
      }
    }
    context.putImageData(picture, 0, 0);
    canvas.classList.add("live");
  }

  function turn(dx, dy) {
    yaw += dx;
    pitch = Math.max(-0.4, Math.min(1.5, pitch + dy));
    if (!waiting) { waiting = true; requestAnimationFrame(draw); }
  }

  let last = null;
  canvas.addEventListener("pointerdown", (event) => { last = [event.clientX, event.clientY]; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    turn((last[0] - event.clientX) * 0.008, (event.clientY - last[1]) * 0.006);
    last = [event.clientX, event.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { last = null; });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, -0.06], ArrowDown: [0, 0.06] }[event.key];
    if (step) { turn(...step); event.preventDefault(); }
    if (event.key === "+" || event.key === "-") { zoom *= event.key === "+" ? 1.15 : 1 / 1.15; turn(0, 0); }
  });
}
