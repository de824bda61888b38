/**
 * Makes a screenshot small: a PNG of 8-bit RGB becomes one of 256 colours (PNG, third edition, §9 filtering and §11.2).
 * The most frequent colours stay as they are, the others become the nearest of those: shades at the edges of letters.
 */
import { crc32, deflateSync, inflateSync } from 'node:zlib'

const SIGNATURE_BYTES = 8
const COLOURS = 256
const BYTES_PER_PIXEL = 3

export function toPalette(png) {
  const { width, height, pixels } = decode(png)
  const counts = new Map()
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1)
  const palette = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a)).slice(0, COLOURS)
  const indexOf = new Map(palette.map((colour, index) => [colour, index]))
  for (const colour of counts.keys()) if (!indexOf.has(colour)) indexOf.set(colour, nearest(palette, colour))

  const rows = Buffer.alloc((width + 1) * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = indexOf.get(pixels[y * width + x])
  }
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 3, 0, 0, 0])
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  return Buffer.concat([
    png.subarray(0, SIGNATURE_BYTES),
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(palette.flatMap(channels))),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

const channels = (colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]

function nearest(palette, colour) {
  const wanted = channels(colour)
  const distance = (candidate) => channels(candidate).reduce((sum, value, n) => sum + (value - wanted[n]) ** 2, 0)
  return palette.reduce((best, candidate, n) => (distance(candidate) < distance(palette[best]) ? n : best), 0)
}

function decode(png) {
  const chunks = []
  for (let at = SIGNATURE_BYTES; at < png.length; ) {
    const length = png.readUInt32BE(at)
    chunks.push({ type: png.toString('latin1', at + 4, at + 8), data: png.subarray(at + 8, at + 8 + length) })
    at += 12 + length
  }
  const [header] = chunks
  const [width, height] = [header.data.readUInt32BE(0), header.data.readUInt32BE(4)]
  if (header.data.readUInt16BE(8) !== 0x0802) throw new Error('Cannot read this PNG: it is not of 8-bit RGB.')
  const rows = inflateSync(Buffer.concat(chunks.filter(({ type }) => type === 'IDAT').map(({ data }) => data)))
  return { width, height, pixels: unfilter(rows, width, height) }
}

/** Each byte was stored as its difference to what its neighbours predict. */
function unfilter(rows, width, height) {
  const stride = width * BYTES_PER_PIXEL
  const bytes = Buffer.alloc(stride * height)
  const pixels = new Uint32Array(width * height)
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (stride + 1)]
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x
      const left = x < BYTES_PER_PIXEL ? 0 : bytes[at - BYTES_PER_PIXEL]
      const up = y === 0 ? 0 : bytes[at - stride]
      const corner = x < BYTES_PER_PIXEL || y === 0 ? 0 : bytes[at - stride - BYTES_PER_PIXEL]
      const predicted = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter]
      bytes[at] = rows[y * (stride + 1) + 1 + x] + predicted
    }
  }
  for (let n = 0; n < pixels.length; n++) pixels[n] = bytes.readUIntBE(n * BYTES_PER_PIXEL, BYTES_PER_PIXEL)
  return pixels
}

function paeth(left, up, corner) {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)]
  if (a <= b && a <= c) return left
  return b <= c ? up : corner
}

function chunk(type, data) {
  const frame = Buffer.alloc(8)
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  frame.writeUInt32BE(data.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
}
