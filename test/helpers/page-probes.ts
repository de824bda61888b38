/**
 * What is asked of a page inside the browser, as expressions of its own language: the tests are checked without the types
 * of a document.
 */

/** Elements that are wider than the window, the page itself included; what scrolls by itself does not count. */
export const TOO_WIDE = `[...document.querySelectorAll('body *')]
  .filter((element) => !element.closest('.scroll, pre, .skip') && element.getBoundingClientRect().right > innerWidth + 0.5)
  .map((element) => element.outerHTML.slice(0, 80))
  .concat(document.documentElement.scrollWidth > innerWidth ? ['the page'] : [])`

/** How many marks that a selector finds each figure shows. */
export const marksOf = (
  selector: string,
) => `Object.fromEntries([...document.querySelectorAll('figure')].map((figure) =>
  [figure.id, [...figure.querySelectorAll('.chart ' + ${JSON.stringify(selector)})].filter((mark) => mark.getClientRects().length > 0).length]))`

/** Marks that lie outside the picture that they belong to. */
export const STRAY_MARKS = `[...document.querySelectorAll('.chart .dots, .chart .median, .chart text')]
  .filter((mark) => {
    if (mark.getClientRects().length === 0) return false
    const [at, frame] = [mark.getBoundingClientRect(), mark.closest('svg').getBoundingClientRect()]
    return at.left < frame.left - 1 || at.right > frame.right + 1 || at.top < frame.top - 1 || at.bottom > frame.bottom + 1
  })
  .map((mark) => mark.closest('figure').id + ': ' + mark.outerHTML.slice(0, 120))`

/** Texts of a plot that lie on top of each other. */
export const OVERLAPPING_TEXTS = `[...document.querySelectorAll('.chart svg')].flatMap((svg) => {
  const texts = [...svg.querySelectorAll('text')].map((text) => [text.textContent, text.getBoundingClientRect()])
  const shown = texts.filter(([, { width }]) => width > 0)
  return shown.flatMap(([a, one], index) => shown.slice(index + 1)
    .filter(([, two]) => Math.min(one.right, two.right) - Math.max(one.left, two.left) > 1
      && Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top) > Math.min(one.height, two.height) / 2)
    .map(([b]) => svg.closest('figure').id + ': "' + a + '" and "' + b + '"'))
})`

/**
 * The text with the least contrast to what is painted behind it (WCAG 2.2, contrast ratio), of all that is shown. The
 * window has to be as high as the page.
 */
export const LEAST_CONTRAST = `(() => {
  const channels = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number)
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4))
    return 0.2126 * x + 0.7152 * y + 0.0722 * z
  }
  const painted = (element) => {
    const style = getComputedStyle(element)
    const colour = element instanceof SVGGeometryElement ? style.fill : style.backgroundColor
    const [r, g, b, a = 1] = channels(colour)
    return colour === 'none' || r === undefined || a === 0 ? undefined : [r, g, b]
  }
  const behind = (element, x, y) => {
    const stack = document.elementsFromPoint(x, y)
    const below = stack.includes(element) ? stack.slice(stack.indexOf(element)) : stack
    for (const one of below) {
      if (one instanceof SVGTextElement || (one.classList.contains('dots'))) continue
      const colour = painted(one)
      if (colour) return colour
    }
    return painted(document.documentElement)
  }
  const texts = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    if (walker.currentNode.data.trim() === '' || element.closest('script, style')) continue
    const range = document.createRange()
    range.selectNodeContents(walker.currentNode)
    const box = [...range.getClientRects()].find(({ width, height }) => width > 1 && height > 1)
    if (box && box.right > 0) texts.push([element, box.left + Math.min(box.width, 8) / 2, box.top + box.height / 2])
  }
  const all = texts.map(([element, x, y]) => {
    const style = getComputedStyle(element)
    const front = luminance(channels(element instanceof SVGTextElement ? style.fill : style.color))
    const back = luminance(behind(element, x, y))
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05)
    return { ratio, text: element.textContent.slice(0, 60) }
  })
  return { count: all.length, least: all.sort((a, b) => a.ratio - b.ratio)[0] }
})()`
