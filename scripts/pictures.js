/**
 * The pictures of README.md, from one real comparison: `make pictures`. The table as it is printed becomes an SVG, the
 * top of the HTML page a PNG, by Chromium. What names this checkout's place on this host is left out of both.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { toPalette } from './palette-png.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const images = join(root, 'docs/images')
const scratch = mkdtempSync(join(tmpdir(), 'cloister-pictures-'))
const COMPARE = ['compare', '--runs', '20', '/bin/busybox', '--', 'sha256sum', '/bin/busybox']
const PAGE_SIZE = '1280,1960'

function run(command, args, options = {}) {
  const { status, stdout, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 600_000,
    ...options,
  })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? `status ${status}`}`)
  return stdout
}

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }
const escapeXml = (text) => text.replace(/[&<>]/g, (character) => escapes[character])

/** A terminal: every line of the output as it is, in columns of one width. */
function terminal(prompt, output) {
  const lines = [prompt, ...output.trimEnd().split('\n')]
  const [advance, height, margin] = [8.4, 20, 20]
  const width = Math.ceil(Math.max(...lines.map((line) => line.length)) * advance + 2 * margin)
  const text = lines.map((line, index) => {
    const kind = index === 0 ? 'prompt' : /^(?:[A-Z]{4,}|RUN COST)/.test(line) ? 'head' : 'line'
    const length = line.trimEnd().length
    return length === 0
      ? ''
      : `<text class="${kind}" x="${margin}" y="${margin + 14 + index * height}" textLength="${(length * advance).toFixed(1)}">${escapeXml(line.trimEnd())}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${lines.length * height + 2 * margin}" width="${width}" role="img" aria-label="The output of ${escapeXml(prompt.slice(2))}">
<style>
text { font: 14px ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #e6e9ee; white-space: pre }
.prompt { fill: #7fd6b0 } .head { fill: #ffc37a; font-weight: 700 }
</style>
<rect width="100%" height="100%" rx="10" fill="#171b21"/>
${text.filter((line) => line !== '').join('\n')}
</svg>
`
}

/** Of as many letters as before, so that columns stay columns. */
const withoutPlace = (text) =>
  text.replaceAll(root, './').replaceAll(release(), release().split('-')[0].padEnd(release().length))

try {
  mkdirSync(images, { recursive: true })
  const page = join(scratch, 'page.html')
  const table = run(join(root, 'bin/cloister'), [COMPARE[0], '--html', page, ...COMPARE.slice(1)])
  writeFileSync(join(images, 'compare-table.svg'), terminal(`$ bin/cloister ${COMPARE.join(' ')}`, withoutPlace(table)))

  const picture = join(images, 'comparison-page.png')
  writeFileSync(page, withoutPlace(readFileSync(page, 'utf8')))
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', `--user-data-dir=${scratch}`]
  run('chromium', [...flags, `--window-size=${PAGE_SIZE}`, `--screenshot=${picture}`, `file://${page}`], {
    stdio: 'ignore',
    timeout: 120_000,
    env: { ...process.env, TMPDIR: scratch },
  })
  writeFileSync(picture, toPalette(readFileSync(picture)))
  for (const name of ['compare-table.svg', 'comparison-page.png']) {
    process.stdout.write(`docs/images/${name}: ${Math.ceil(statSync(join(images, name)).size / 1024)} KiB\n`)
  }
} finally {
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 })
}
