/**
 * Bundles the command into one file: resolving modules one by one is most of a command's start.
 *
 * It is a CommonJS file, because Node's loader of ES modules costs several milliseconds before the first line runs,
 * and it runs from bytecode made here (scripts/start.cjs). What is imported dynamically is evaluated when it is asked
 * for. docs/dependencies.md has figures.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = `${root}dist`
const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  charset: 'ascii',
  sourcemap: true,
  sourcesContent: false,
  external: ['koffi', '*.node'],
  logLevel: 'warning',
}

/** Packages that most runs never load: files of their own, so that their source need not be read at each start. */
const SET_APART = ['yargs', 'pino']

const setApart = {
  name: 'set-apart',
  setup({ onResolve }) {
    onResolve({ filter: /\/report\/(report|comparison-page|bench-page)\.ts$/ }, () => ({
      path: './report.cjs',
      external: true,
    }))
    onResolve({ filter: new RegExp(`^(${SET_APART.join('|')})$`) }, ({ path }) => ({
      path: `./${path}.cjs`,
      external: true,
    }))
  },
}

/** yargs measures its texts with a package that sets up Unicode segmentation: 35 ms of every start that loads it. */
const asciiWidth = {
  name: 'ascii-width',
  setup({ onResolve }) {
    onResolve({ filter: /^string-width$/ }, () => ({ path: `${root}scripts/ascii-width.cjs` }))
  },
}

const commonJs = {
  ...common,
  format: 'cjs',
  minifyWhitespace: true,
  minifySyntax: true,
  supported: { 'dynamic-import': false },
}
const BUNDLE_URL = "const bundleUrl = require('node:url').pathToFileURL(__filename).href;"

/** Writes the file as a whole or not at all: somebody may be running the command while it is built. */
function place(name, content) {
  const unfinished = `${dist}/.${process.pid}-${name}`
  writeFileSync(unfinished, content)
  renameSync(unfinished, `${dist}/${name}`)
}

/** Builds in memory, then places every file. @returns the bytes of the first one. */
async function bundle(options) {
  const { outputFiles, metafile } = await build({ ...options, write: false, metafile: true })
  for (const { path, contents } of outputFiles) place(path.slice(dist.length + 1), contents)
  for (const [file, { inputs }] of Object.entries(metafile.outputs)) placeLicences(file, Object.keys(inputs))
  return outputFiles.find(({ path }) => !path.endsWith('.map')).contents
}

const TERMS = /^(licenses\/)?(licen[cs]e|notice|copyrightnotice)([-.][^/]*)?$/i

/** Whoever hands on the code of others hands on their terms: a file of them beside each file that has such code. */
function placeLicences(file, inputs) {
  const packages = new Set(inputs.flatMap((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []))
  if (packages.size === 0) return
  const terms = [...packages].sort().flatMap((directory) => {
    const name = directory.replace(/^.*node_modules\//, '')
    const found = readdirSync(`${root}${directory}`, { recursive: true }).filter((path) => TERMS.test(path))
    if (found.length === 0) throw new Error(`${name} is bundled, and no licence lies in ${directory}`)
    return found.map((path) => `${name}: ${path}\n\n${readFileSync(`${root}${directory}/${path}`, 'utf8')}`)
  })
  place(file.replace(/^dist\/(.*)\.c?js$/, '$1.licences.txt'), terms.join(`\n${'='.repeat(80)}\n`))
}

mkdirSync(dist, { recursive: true })

const main = await bundle({
  ...commonJs,
  entryPoints: ['src/cli/main.ts'],
  outfile: 'dist/cloister-main.cjs',
  plugins: [setApart],
  define: { CLOISTER_VERSION: JSON.stringify(version), 'import.meta.url': 'bundleUrl' },
  banner: { js: `(function (require, module, exports, __filename) { ${BUNDLE_URL}` },
  footer: { js: '})' },
})
const digest = createHash('sha256').update(main).digest('hex').slice(0, 16)
place(
  'cloister.cjs',
  readFileSync(`${root}scripts/start.cjs`, 'utf8').replace('BUNDLE_DIGEST', digest).replace('VERSION', version),
)

await bundle({
  ...commonJs,
  entryPoints: SET_APART,
  outdir: 'dist',
  outExtension: { '.js': '.cjs' },
  plugins: [asciiWidth],
  define: { 'import.meta.url': 'bundleUrl' },
  banner: { js: BUNDLE_URL },
  // What an ES module exports by this name is what require() is to return, as Node has it (docs "Modules: CommonJS").
  footer: { js: "if (module.exports['module.exports']) module.exports = module.exports['module.exports'];" },
})

// The HTML reports, with the chart library: only `--html` reads them.
await bundle({
  ...commonJs,
  entryPoints: ['src/report/report.ts'],
  outfile: 'dist/report.cjs',
  minify: true,
  sourcemap: false,
})

// A vCPU's worker thread is a file of its own, found beside the bundle.
await bundle({ ...common, entryPoints: ['src/machine/vcpu-worker.ts'], outfile: 'dist/vcpu-worker.js', format: 'esm' })

// The bindings by themselves, for programs of others: package.json exports them.
await bundle({ ...common, entryPoints: ['kvm-bindings/index.ts'], outfile: 'dist/kvm-bindings.js', format: 'esm' })

for (const name of readdirSync(dist)) {
  if (name.endsWith('.bytecode') && !name.includes(digest)) rmSync(`${dist}/${name}`)
}
// It runs a guest: should that never come back, the command starts without bytecode and 10 ms later.
const bytecode = `${dist}/cloister-main.${digest}.bytecode`
const { error } = spawnSync(process.execPath, [`${root}scripts/make-bytecode.cjs`, bytecode], {
  stdio: ['ignore', 'ignore', 'inherit'],
  timeout: 15_000,
  killSignal: 'SIGKILL',
})
if (error) process.stderr.write(`No bytecode was made: ${error.message}.\n`)
