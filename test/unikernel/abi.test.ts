/** guest-kernel/include/abi.h, compiled, says the same as src/unikernel/abi.ts. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { packageRoot } from '../../src/paths.ts'
import {
  ARGS,
  ARGS_HEADER_SIZE,
  ENTROPY_BYTES,
  EXIT_MESSAGE_SIZE,
  EXIT_REASON,
  MESSAGE,
  MESSAGE_HEADER_SIZE,
  MESSAGE_MAX,
  PORT,
  RELEASE,
  RELEASE_FLAG,
} from '../../src/unikernel/abi.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const HEADER = join(packageRoot, 'guest-kernel/include/abi.h')
const RELEASE_FIELDS = Object.keys(RELEASE).filter((field) => field !== 'bytes' && field !== 'realtime')

const EXPECTED: Readonly<Record<string, number>> = {
  ...named('CLOISTER_PORT', PORT),
  ...named('CLOISTER_MSG', MESSAGE),
  CLOISTER_MESSAGE_MAX: MESSAGE_MAX,
  ...named('CLOISTER_ARGS', ARGS),
  ...named('CLOISTER_EXIT', EXIT_REASON),
  ...named('CLOISTER_RELEASE', RELEASE_FLAG),
  'sizeof(struct cloister_message)': MESSAGE_HEADER_SIZE,
  'sizeof(struct cloister_args)': ARGS_HEADER_SIZE,
  'sizeof(struct cloister_exit)': EXIT_MESSAGE_SIZE,
  'sizeof(struct cloister_release)': RELEASE.bytes,
  'sizeof(((struct cloister_release *)0)->entropy)': ENTROPY_BYTES,
  'offsetof(struct cloister_release, realtime_ns)': RELEASE.realtime,
  ...Object.fromEntries(
    RELEASE_FIELDS.map((field) => [
      `offsetof(struct cloister_release, ${field})`,
      RELEASE[field as keyof typeof RELEASE],
    ]),
  ),
}

/** `stdinEnd` is CLOISTER_MSG_STDIN_END there. */
function named(prefix: string, values: Readonly<Record<string, number>>): Record<string, number> {
  const spelled = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}_${spelled(name)}`, value]))
}

test('every number and offset of abi.h is the one that Cloister goes by', (t) => {
  const directory = temporaryDirectory(t)
  const program = join(directory, 'abi')
  const lines = Object.keys(EXPECTED).map((what) => `printf("%llu\\n", (unsigned long long)(${what}));`)
  const source = `#include <stddef.h>\n#include <stdio.h>\n#include "${HEADER}"\nint main(void) {\n${lines.join('\n')}\n}\n`
  execFileSync('gcc', ['-x', 'c', '-o', program, '-'], { input: source })
  const values = execFileSync(program, { encoding: 'utf8' }).trim().split('\n').map(Number)
  t.deepEqual(Object.fromEntries(Object.keys(EXPECTED).map((what, at) => [what, values[at]])), EXPECTED)
})

test('abi.h has no message that Cloister does not know', (t) => {
  const defined = [...readFileSync(HEADER, 'utf8').matchAll(/^#define (CLOISTER_MSG_\w+)/gm)].map(([, name]) => name!)
  t.deepEqual(
    defined.filter((name) => !(name in EXPECTED)),
    [],
  )
  t.is(defined.length, Object.keys(MESSAGE).length)
})
