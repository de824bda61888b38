/** What every system description table begins with. ACPI 6.5 §5.2.6 */
import { checksum, concat, text, u8, u32 } from './bytes.ts'

export const OEM_ID = 'CLSTER'
const OEM_TABLE_ID = 'CLOISTER'
const OEM_REVISION = 1
const CREATOR_ID = 'CLST'
const CREATOR_REVISION = 1

const HEADER_SIZE = 36
const CHECKSUM_AT = 9

export function table(signature: string, revision: number, ...fields: readonly Uint8Array[]): Uint8Array {
  const body = concat(...fields)
  const whole = concat(
    text(signature, 4),
    u32(HEADER_SIZE + body.length),
    u8(revision, 0),
    text(OEM_ID, 6),
    text(OEM_TABLE_ID, 8),
    u32(OEM_REVISION),
    text(CREATOR_ID, 4),
    u32(CREATOR_REVISION),
    body,
  )
  whole[CHECKSUM_AT] = checksum(whole)
  return whole
}
