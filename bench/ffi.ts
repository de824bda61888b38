/**
 * One call of getpid through koffi and one through ffi-napi, in turns, in one process. ffi-napi is no dependency: on
 * first use it is installed into a directory of the user's cache, outside the checkout. Where that fails the reason is
 * printed, and koffi is measured alone.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import koffi from 'koffi'
import { printReport, rounds, takeTurns } from './report.ts'

const PACKAGES = ['ffi-napi@4.0.3', 'ref-napi@3.0.3']
/** Its C++ compiles with the headers of Node 18.20 and later only so. */
const CXXFLAGS = '-DNODE_API_EXPERIMENTAL_NOGC_ENV_OPT_OUT -fpermissive'
const INSTALL_LIMIT_MS = 600_000
/** Few, so that a round fits into a time slice of a busy machine. */
const CALLS = 2000

const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
/** Compiled for one version of Node's binary interface. */
const directory = join(cache, 'cloister/bench-ffi', `abi-${process.versions.modules}`)

const throughKoffi = koffi.load(null).func('int getpid()') as () => number
const throughFfiNapi = loadFfiNapi() ?? installFfiNapi()

const players = [{ name: 'koffi', measure: () => nanosecondsACall(throughKoffi) }]
if (throughFfiNapi) players.push({ name: 'ffi-napi', measure: () => nanosecondsACall(throughFfiNapi) })

printReport({
  title: `getpid from JavaScript, ${CALLS} calls a round (koffi ${koffi.version}, Node ${process.version})`,
  unit: 'ns a call',
  peer: 'koffi',
  candidates: await takeTurns(players, { runs: rounds(100), warmups: 20 }),
})

function nanosecondsACall(getpid: () => number): number {
  if (getpid() !== process.pid) throw new Error('getpid answers another number than Node')
  const begun = process.hrtime.bigint()
  for (let call = 0; call < CALLS; call++) getpid()
  return Number(process.hrtime.bigint() - begun) / CALLS
}

function loadFfiNapi(): (() => number) | undefined {
  try {
    const ffi = createRequire(join(directory, 'package.json'))('ffi-napi')
    return ffi.Library(null, { getpid: ['int', []] }).getpid
  } catch {
    return undefined
  }
}

function installFfiNapi(): (() => number) | undefined {
  say(`installing ${PACKAGES.join(' and ')} into ${directory}, a minute or two`)
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'package.json'), '{ "private": true }\n')
  const { status, error, stdout, stderr } = spawnSync('npm', ['install', '--no-audit', '--no-fund', ...PACKAGES], {
    cwd: directory,
    env: { ...process.env, CXXFLAGS },
    encoding: 'utf8',
    timeout: INSTALL_LIMIT_MS,
  })
  const getpid = status === 0 ? loadFfiNapi() : undefined
  if (getpid) return getpid
  say('ffi-napi is not measured: it could not be installed.')
  say(error?.message ?? reasonIn(`${stdout}${stderr}`) ?? 'It was installed and cannot be loaded.')
  return undefined
}

/** What the compiler said comes first, then what npm did; the hundred lines in between are what followed from it. */
function reasonIn(output: string): string | undefined {
  const lines = output.split('\n')
  for (const words of [/: (fatal )?error: |\*\*\* /, /ERR!|npm error/]) {
    const said = lines.filter((line) => words.test(line))
    if (said.length > 0) return said.slice(0, 4).join('\n')
  }
  return undefined
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
