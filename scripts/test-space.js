/**
 * A place for one run of the tests: temporary files and state go there, and what is still there at its end, or still
 * runs, is mounted or has a control group because of it, is a leak that some test did not notice.
 */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** What ends with the run may take a moment to be gone. */
const PATIENCE_MS = 5000
const LOOK_MS = 100
const CGROUPS = '/sys/fs/cgroup'

export function makeTestSpace() {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-tests-'))
  const temporary = join(directory, 'tmp')
  const root = join(directory, 'root')
  // Some tests are run by other users, who must get in; as in /tmp they cannot take each other's files away.
  chmodSync(directory, 0o755)
  mkdirSync(temporary)
  chmodSync(temporary, 0o1777)
  const groupsBefore = new Set(groups())

  /** In words, one thing a line. */
  const left = () => [
    ...namesIn(temporary).map((name) => `the temporary file ${join(temporary, name)}`),
    ...namesIn(join(root, 'run/instances')).map((name) => `the record of instance "${name}"`),
    ...processesOf(directory).map(({ pid, words }) => `process ${pid}: ${words}`),
    ...mountPointsBelow(directory).map((point) => `the mount ${point}`),
    ...groups()
      .filter((path) => !groupsBefore.has(path))
      .map((path) => `the control group ${path}`),
  ]
  return {
    env: { TMPDIR: temporary, CLOISTER_ROOT: root },
    /** Removes the place. @returns what the tests left */
    async close() {
      for (let waited = 0; left().length > 0 && waited < PATIENCE_MS; waited += LOOK_MS) await sleep(LOOK_MS)
      const found = left()
      rmSync(directory, { recursive: true, force: true })
      return found
    },
  }
}

function namesIn(directory) {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

const contentOf = (path) => {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** They inherit TMPDIR. */
const processesOf = (directory) =>
  namesIn('/proc')
    .filter((name) => /^\d+$/.test(name) && contentOf(`/proc/${name}/environ`).includes(directory))
    .map((pid) => ({ pid, words: contentOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim() }))

const mountPointsBelow = (directory) =>
  contentOf('/proc/self/mountinfo')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(directory))

/** Of every hierarchy, on hosts of v1, and of the one tree on hosts of v2. */
const groups = () =>
  ['', ...namesIn(CGROUPS)].flatMap((hierarchy) =>
    namesIn(join(CGROUPS, hierarchy))
      .filter((name) => name.startsWith('cloister-'))
      .map((name) => join(CGROUPS, hierarchy, name)),
  )
