/** The layout of boot_params against the C compiler and the system's <asm/bootparam.h>. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import {
  bootParams,
  E820_ENTRIES_MAX,
  E820_ENTRY_SIZE,
  SETUP_HEADER_FIELDS,
  SETUP_HEADER_LIMIT,
  SETUP_HEADER_START,
} from '../../../src/boot/linux/boot-params.ts'

const HEADERS = ['/usr/include/x86_64-linux-gnu/asm/bootparam.h', '/usr/include/asm/bootparam.h']
const why = HEADERS.some((path) => existsSync(path))
  ? undefined
  : "no <asm/bootparam.h> here: the kernel's headers are missing"
const oracleTest = why === undefined ? test : test.skip
const reason = why === undefined ? '' : ` (skipped: ${why})`

/** Ours that C has no field for. */
const OWN = ['reserved_end']
const names = Object.keys(bootParams.fields).filter((name) => !OWN.includes(name)) as (keyof typeof bootParams.fields)[]
const nameInC = (name: string) => (SETUP_HEADER_FIELDS.includes(name) ? `hdr.${name}` : name)

function ask(expressions: readonly string[]): number[] {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-bootparam-'))
  try {
    const rows = expressions.map((expression) => `printf("%zu\\n", (size_t)(${expression}));`)
    const program = join(directory, 'oracle')
    writeFileSync(
      `${program}.c`,
      `#include <stddef.h>\n#include <stdio.h>\n#include <asm/bootparam.h>\n#define SIZE(f) sizeof(((struct boot_params *)0)->f)\nint main(void) {\n${rows.join('\n')}\n}\n`,
    )
    execFileSync('gcc', ['-Wall', '-Werror', '-o', program, `${program}.c`], { stdio: 'pipe' })
    return execFileSync(program, { encoding: 'utf8' }).trim().split('\n').map(Number)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

oracleTest(`every field of boot_params lies where the C headers say, in its size${reason}`, (t) => {
  t.true(names.length > 20)
  const answers = ask(
    names.flatMap((name) => [`offsetof(struct boot_params, ${nameInC(name)})`, `SIZE(${nameInC(name)})`]),
  )
  const declared = names.flatMap((name) => [bootParams.offsetOf[name], bootParams.fields[name].size])
  t.deepEqual(
    names.map((name, index) => [name, ...answers.slice(2 * index, 2 * index + 2)]),
    names.map((name, index) => [name, ...declared.slice(2 * index, 2 * index + 2)]),
  )
})

oracleTest(
  `boot_params, its e820 entries and the room for the setup header have the sizes that C gives them${reason}`,
  (t) => {
    const [size, entry, entries, header, limit] = ask([
      'sizeof(struct boot_params)',
      'sizeof(struct boot_e820_entry)',
      'E820_MAX_ENTRIES_ZEROPAGE',
      'offsetof(struct boot_params, hdr)',
      'offsetof(struct boot_params, edd_mbr_sig_buffer)',
    ])
    t.deepEqual(
      { size, entry, entries, header, limit },
      {
        size: bootParams.size,
        entry: E820_ENTRY_SIZE,
        entries: E820_ENTRIES_MAX,
        header: SETUP_HEADER_START,
        limit: SETUP_HEADER_LIMIT,
      },
    )
  },
)
