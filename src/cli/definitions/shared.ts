/** Rows and words that several commands have. */
import type { OptionRow } from '../command.ts'

export const JSON_OPTION: OptionRow = { name: 'json', describe: 'Print one JSON document and nothing else' }

export const SOURCE_NOTE =
  'SOURCE is one ELF program, named by a path that begins with "/" or "."; it is seen inside at that path.\n' +
  'With --rootfs DIR the first operand is the command, looked up inside DIR; writes never reach DIR.'
