import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import type { Comparison, Span } from '../../src/compare/comparison.ts'
import { renderBenchHtml } from '../../src/report/bench-page.ts'
import { renderComparisonHtml } from '../../src/report/comparison-page.ts'
import { Chromium, findChromium } from '../helpers/chromium.ts'
import { LEAST_CONTRAST, marksOf, OVERLAPPING_TEXTS, STRAY_MARKS, TOO_WIDE } from '../helpers/page-probes.ts'
import { hostile, recordedBench, recordedComparison } from '../helpers/report-fixtures.ts'

interface Context {
  readonly browser: Chromium
  readonly directory: string
}

const ava = anyTest as TestFn<Context>
const command = findChromium()
const TIME_LIMIT_MS = 240_000

/** One browser, one page after the other; where there is no browser, skipped with the reason. */
function browserTest(title: string, implementation: (t: ExecutionContext<Context>) => Promise<void>): void {
  if (command === undefined) {
    ava.skip(`${title} (skipped: no Chromium is installed)`, implementation)
    return
  }
  ava.serial(title, async (t) => {
    t.timeout(TIME_LIMIT_MS)
    await implementation(t)
  })
}

ava.before((t) => {
  if (command === undefined) return
  Object.assign(t.context, {
    browser: new Chromium(command),
    directory: mkdtempSync(join(tmpdir(), 'cloister-report-')),
  })
})

ava.after.always(async (t) => {
  await t.context.browser?.close()
  if (t.context.directory) rmSync(t.context.directory, { recursive: true, force: true })
})

async function show({ context: { browser, directory } }: ExecutionContext<Context>, page: string): Promise<Chromium> {
  const file = join(directory, 'page.html')
  writeFileSync(file, page)
  browser.events.length = 0
  await browser.open(`file://${file}`)
  return browser
}

const TROUBLE = ['Runtime.consoleAPICalled', 'Runtime.exceptionThrown', 'Log.entryAdded']
const troubles = ({ events }: Chromium) =>
  events.filter(({ method }) => TROUBLE.includes(method)).map(({ method, params }) => [method, JSON.stringify(params)])
const requests = ({ events }: Chromium) =>
  events
    .filter(({ method }) => method === 'Network.requestWillBeSent')
    .map(({ params }) => (params.request as { url: string }).url.replace(/^file:.*\//, 'file:'))

const PAGES = [
  ['a comparison', () => renderComparisonHtml(recordedComparison())],
  ['a boot benchmark', () => renderBenchHtml(recordedBench('boot'))],
  ['a density benchmark', () => renderBenchHtml(recordedBench('density'))],
] as const

for (const [name, render] of PAGES) {
  browserTest(`the page of ${name} fits, reads and is silent: light and dark, wide and narrow`, async (t) => {
    const browser = await show(t, await render())
    for (const [width, scheme] of [
      [1280, 'light'],
      [1280, 'dark'],
      [360, 'light'],
      [360, 'dark'],
    ] as const) {
      const where = `${width} pixels, ${scheme}`
      await browser.emulate(width, 900, scheme)
      await browser.evaluate(`document.querySelectorAll('details').forEach((one) => { one.open = false })`)
      t.deepEqual(await browser.evaluate(TOO_WIDE), [], where)
      t.deepEqual(await browser.evaluate(STRAY_MARKS), [], where)
      t.deepEqual(await browser.evaluate(OVERLAPPING_TEXTS), [], where)
      await browser.evaluate(`document.querySelectorAll('details').forEach((one) => { one.open = true })`)
      t.deepEqual(await browser.evaluate(TOO_WIDE), [], `${where}, with all tables`)
      await browser.emulate(width, await browser.evaluate('document.documentElement.scrollHeight'), scheme)
      const { count, least } = await browser.evaluate<{ count: number; least: { ratio: number; text: string } }>(
        LEAST_CONTRAST,
      )
      t.true(count > 100)
      t.true(least.ratio >= 4.5, `${where}: contrast ${least.ratio} of "${least.text}"`)
    }
    t.deepEqual(troubles(browser), [])
    t.deepEqual(requests(browser), ['file:page.html'])
  })
}

/** What each plot has to show, counted in the result. */
function expectedDots({ levels, time, memory, density, cost, neighbours }: Comparison): Record<string, number> {
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0)
  const samples = (spans: readonly Span[], among = levels) =>
    sum(
      among.flatMap((level) =>
        spans.map((span) => time!.levels[level]!.samples.filter(({ spansMs }) => spansMs[span] !== undefined).length),
      ),
    )
  const attacks = neighbours!.trials.map(({ attack, levels: outcomes }): [string, number] => [
    `attack-${attack}`,
    sum(Object.values(outcomes).map((outcome) => (outcome.tried ? outcome.samples.length : 0))),
  ])
  return {
    spans: 0,
    runs: samples(['requestToFirstOutput', 'whole']),
    steps: samples(['requestToReady', 'readyToEntered', 'enteredToProgram', 'programToExit', 'exitToGone']),
    ratios: samples(['enteredToProgram', 'requestToFirstOutput', 'whole'], levels.slice(1)),
    'memory-plot': 2 * sum(Object.values(memory!.levels).map(({ points }) => points.length)),
    'density-plot': sum(Object.values(density!.levels).map(({ points }) => points.length)),
    'cost-plot': sum(
      cost!.workloads.flatMap((workload) => Object.values(workload.levels).map(({ samplesNs }) => samplesNs.length)),
    ),
    'system-calls': 0,
    ...Object.fromEntries(attacks),
  }
}

browserTest(
  'every plot of a comparison shows a mark for every sample, on a wide page and on a narrow one',
  async (t) => {
    const comparison = recordedComparison()
    const browser = await show(t, await renderComparisonHtml(comparison))
    for (const width of [1280, 360]) {
      await browser.emulate(width, 900, 'light')
      t.deepEqual(await browser.evaluate(marksOf('.dots')), expectedDots(comparison), `${width}`)
      const medians = await browser.evaluate<Record<string, number>>(marksOf('.median'))
      t.like(medians, { runs: 4, steps: 10, ratios: 3, 'cost-plot': 8 })
      const pieces = await browser.evaluate<Record<string, number>>(marksOf('.span'))
      t.is(pieces.spans, 5 * comparison.levels.length)
      t.like(await browser.evaluate(marksOf('[stroke-dasharray="10,8"]')), { 'density-plot': 2 })
      t.like(await browser.evaluate(marksOf('[stroke-width="3"][stroke*="hue"]')), { 'memory-plot': 4 })
      t.true((await browser.evaluate<Record<string, number>>(marksOf('.bar')))['system-calls']! >= 4)
    }
  },
)

browserTest('every plot of a benchmark shows a mark for every sample', async (t) => {
  const bench = recordedBench('density')
  const browser = await show(t, await renderBenchHtml(bench))
  const dots = await browser.evaluate<Record<string, number>>(marksOf('.dots'))
  for (const { id, rows } of bench.measurements) {
    t.is(
      dots[`samples-${id}`],
      rows.reduce((sum, { samples }) => sum + samples.length, 0),
      id,
    )
  }
  const points = bench.growth!.flatMap((series) => series.points)
  t.is(dots['growth-start'], points.length)
  t.is(dots['growth-memory'], points.filter(({ proportionalBytes }) => proportionalBytes !== undefined).length)
})

browserTest('a hostile result runs nothing, adds no element, and is shown as the text that it is', async (t) => {
  const honest = recordedComparison()
  const elements = `[...document.querySelectorAll('img, iframe, object, embed, link, script, a, form, b, meta')].length`
  const before = await (await show(t, await renderComparisonHtml(honest))).evaluate(elements)
  const attack = hostile(honest)
  const browser = await show(t, await renderComparisonHtml(attack))
  t.is(await browser.evaluate(elements), before)
  t.is(await browser.evaluate('typeof window.pwned'), 'undefined')
  t.deepEqual(await browser.evaluate(`JSON.parse(document.getElementById('data').textContent)`), attack)
  t.regex(await browser.evaluate(`document.querySelector('.command').textContent`), /<\/script><script>window\.pwned=1/)
  t.deepEqual(await browser.evaluate(TOO_WIDE), [])
  t.deepEqual(troubles(browser), [])
  t.deepEqual(requests(browser), ['file:page.html'])
})

browserTest('should markup ever get in, the policy of the page neither runs nor fetches it', async (t) => {
  const page = await renderComparisonHtml(recordedComparison())
  const injected = `<main id="content"><script>window.pwned = 1</script>
<img src="https://elsewhere.invalid/x.png" onerror="window.pwned = 1"><link rel="stylesheet" href="https://elsewhere.invalid/x.css">
<style>body { display: none }</style><iframe src="https://elsewhere.invalid/"></iframe>`
  const browser = await show(t, page.replace('<main id="content">', injected))
  await sleep(500)
  t.is(await browser.evaluate('typeof window.pwned'), 'undefined')
  t.is(await browser.evaluate('getComputedStyle(document.body).display'), 'block')
  const sent = browser.events.filter(
    ({ method, params }) =>
      method === 'Network.requestWillBeSent' && (params.request as { url: string }).url.startsWith('https:'),
  )
  const blocked = browser.events
    .filter(({ params }) => params.blockedReason === 'csp')
    .map(({ params }) => params.requestId)
  t.deepEqual(
    sent.map(({ params }) => params.requestId).filter((id) => !blocked.includes(id)),
    [],
  )
})

browserTest(
  'colours follow the system until the reader says otherwise, by mouse or keyboard; print is always light',
  async (t) => {
    const browser = await show(t, await renderComparisonHtml(recordedComparison()))
    const paper = () => browser.evaluate<string>('getComputedStyle(document.documentElement).backgroundColor')
    const [light, dark] = ['rgb(255, 255, 255)', 'rgb(19, 22, 27)']
    await browser.emulate(1280, 900, 'dark')
    t.is(await paper(), dark)
    t.is(
      await browser.evaluate(`(document.getElementById('theme-light').click(), document.activeElement.tagName)`),
      'BODY',
    )
    t.is(await paper(), light)
    await browser.evaluate(`document.getElementById('theme-light').focus()`)
    for (const type of ['keyDown', 'keyUp']) {
      await browser.send('Input.dispatchKeyEvent', {
        type,
        key: 'ArrowRight',
        code: 'ArrowRight',
        windowsVirtualKeyCode: 39,
      })
    }
    t.is(await browser.evaluate('document.activeElement.id'), 'theme-dark')
    t.is(await paper(), dark)
    await browser.emulate(1280, 900, 'dark', 'print')
    t.is(await paper(), light)
    t.is(await browser.evaluate(`getComputedStyle(document.querySelector('nav')).display`), 'none')
  },
)

browserTest('everything that acts is reached by Tab, and shows that it has the focus', async (t) => {
  const browser = await show(t, await renderComparisonHtml(recordedComparison()))
  await browser.emulate(1280, 900, 'light')
  const reached: string[] = []
  for (let presses = 0; presses < 80; presses++) {
    for (const type of ['keyDown', 'keyUp']) {
      await browser.send('Input.dispatchKeyEvent', { type, key: 'Tab', code: 'Tab', windowsVirtualKeyCode: 9 })
    }
    const [what, outline] = await browser.evaluate<[string, string]>(
      `[document.activeElement.id || document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]`,
    )
    if (what === 'BODY') break
    t.is(outline, 'solid', what)
    reached.push(what)
  }
  for (const wanted of ['theme-auto', 'A', 'SUMMARY', 'data-download', 'data-copy'])
    t.true(reached.includes(wanted), wanted)
})

browserTest('the raw data can be saved, copied and read', async (t) => {
  const comparison = recordedComparison()
  const browser = await show(t, await renderComparisonHtml(comparison))
  const { directory } = t.context
  await browser.send('Page.setDownloadBehavior', { behavior: 'allow', downloadPath: directory })
  await browser.evaluate(`document.getElementById('data-download').click()`)
  const file = join(directory, 'cloister-compare-3.json')
  for (let waited = 0; !existsSync(file) && waited < 200; waited++) await sleep(100)
  t.true(existsSync(file), readdirSync(directory).join(', '))
  t.deepEqual(JSON.parse(readFileSync(file, 'utf8')), comparison)

  await browser.evaluate(`document.getElementById('data-copy').click()`)
  const said = () => browser.evaluate<string>(`document.getElementById('data-status').textContent`)
  for (let waited = 0; (await said()).startsWith('Saved') && waited < 100; waited++) await sleep(50)
  t.regex(await said(), /^Copied\.$|the data is selected/)

  await browser.evaluate(`document.getElementById('data-shown').closest('details').open = true`)
  const shown = () => browser.evaluate<string>(`document.getElementById('data-shown').textContent`)
  for (let waited = 0; (await shown()) === '' && waited < 100; waited++) await sleep(50)
  t.deepEqual(JSON.parse(await shown()), comparison)
})
