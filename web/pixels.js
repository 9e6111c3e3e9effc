// Images as the server tells them, [channels][height][width] of bytes, drawn pixel by pixel.

import { h } from "./dom.js";

// A canvas, or null for what is no image: one channel is gray, three are colours, a fourth their opacity.
export function drawPixels(planes) {
  const [height, width] = [planes[0]?.length, planes[0]?.[0]?.length];
  if (!width || ![1, 3, 4].includes(planes.length)) return null;
  const canvas = h("canvas", { width, height, class: "pixels", role: "img", "aria-label": `image of ${width} × ${height} pixels` });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const pixel = [0, 1, 2].map((channel) => planes[planes.length === 1 ? 0 : channel][y][x]);
      image.data.set([...pixel, planes.length === 4 ? planes[3][y][x] : 255], 4 * (y * width + x));
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
