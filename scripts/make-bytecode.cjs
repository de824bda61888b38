/**
 * Keeps the bytecode of a real run: what a run needs is compiled then, and nothing else takes up room.
 *   node scripts/make-bytecode.cjs FILE
 * Where no guest can run (no KVM, no guest kernel) what was compiled up to that point is kept.
 */
const { mkdtempSync, renameSync, rmSync, writeFileSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')

const output = process.argv[2]
const start = join(__dirname, '../dist/cloister.cjs')
const state = mkdtempSync(join(tmpdir(), 'cloister-build-'))
process.env.CLOISTER_ROOT = state
delete process.env.NODE_EXTRA_CA_CERTS
process.argv = [
  process.execPath,
  start,
  'run',
  '--rm',
  '--timeout',
  '5s',
  '--log-level',
  'silent',
  '/bin/busybox',
  'true',
]

process.on('exit', () => {
  rmSync(state, { recursive: true, force: true })
  writeFileSync(`${output}.new`, require(start).script.createCachedData())
  renameSync(`${output}.new`, output)
  process.exitCode = 0
})
require(start)
