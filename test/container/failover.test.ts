import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { findRuntimes, RUNTIME_NAMES } from '../../src/container/runtime.ts'
import { readCgroupLayout } from '../../src/host/cgroup-layout.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { containerTest, startContainer, temporaryDirectory } from '../helpers/containers.ts'

const REFUSAL = '{"level":"error","msg":"cgroups in hybrid mode not supported"}'

/** Says no in its log, as the real ones do, and counts how often it was asked. */
const refusing = (count: string) => `#!/bin/sh
echo asked >> ${count}
while [ "$1" != --log ]; do shift; done
echo '${REFUSAL}' > "$2"
exit 1
`

/** Another runtime under this name: the option that only one of them knows is left out. */
const posingAs = (path: string) => `#!/bin/sh
for word; do shift; [ "$word" = --keep ] || set -- "$@" "$word"; done
exec ${path} "$@"
`

/** Puts runtimes of ours before the host's, and the record of refusals into a place of our own. */
function install(t: ExecutionContext, scripts: Record<string, string>): string {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'run'))
  for (const [name, script] of Object.entries(scripts)) writeFileSync(join(directory, name), script, { mode: 0o755 })
  const before = { PATH: process.env.PATH, CLOISTER_ROOT: process.env.CLOISTER_ROOT }
  process.env.PATH = `${directory}:${before.PATH}`
  process.env.CLOISTER_ROOT = directory
  t.teardown(() => {
    process.env.PATH = before.PATH
    if (before.CLOISTER_ROOT === undefined) delete process.env.CLOISTER_ROOT
    else process.env.CLOISTER_ROOT = before.CLOISTER_ROOT
  })
  return directory
}

containerTest(
  'when the likelier runtime refuses the host the other one runs it, and it is not asked again',
  async (t) => {
    const [working] = findRuntimes(readCgroupLayout())
    const other = RUNTIME_NAMES.find((name) => name !== working!.name)!
    const directory = install(t, { [other]: posingAs(working!.path) })
    const count = join(directory, 'count')
    writeFileSync(join(directory, working!.name), refusing(count), { mode: 0o755 })
    for (const round of ['first', 'second']) {
      const { instance, stdout } = await startContainer(t, busyboxSpec(['echo', round]))
      t.is((await instance.wait()).exitCode, 0)
      t.is(stdout(), `${round}\n`)
      await instance.close()
    }
    t.is(readFileSync(count, 'utf8'), 'asked\n')
  },
)

containerTest('when both refuse, the error says what each said', async (t) => {
  const count = join(temporaryDirectory(t), 'count')
  install(t, { runc: refusing(count), crun: refusing(count) })
  await t.throwsAsync(startContainer(t, busyboxSpec(['true'])), {
    message: /runc says ".*hybrid.*crun says "|crun says ".*hybrid.*runc says "/,
  })
})
