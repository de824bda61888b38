/** Fields of what arrives as JSON, each checked before it is used. */
import { UsageError } from '../errors.ts'

/** Of a terminal's columns and rows: `struct winsize` has 16 bits for each. */
export const WINDOW_MAX = 0xffff
/** Linux takes no longer one. limits.h */
const PATH_MAX = 4096

/** What JSON.parse makes of anything that is not an object has no fields either. */
type Fields = Readonly<Record<string, unknown>> | null | undefined

/** @throws UsageError */
export function wholeNumber(fields: Fields, name: string, min: number, max: number): number {
  const value = fields?.[name]
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
  throw new UsageError(`Cannot read the request: "${name}" must be a whole number from ${min} to ${max}.`)
}

/** No kernel takes a string with a zero byte in it. @throws UsageError */
export function strings(fields: Fields, name: string): string[] {
  const value = fields?.[name]
  if (Array.isArray(value) && value.every((one) => typeof one === 'string' && !one.includes('\0'))) return value
  throw new UsageError(`Cannot read the request: "${name}" must be a list of strings without zero bytes.`)
}

/** @throws UsageError */
export function object(fields: Fields, name: string): Readonly<Record<string, unknown>> {
  const value = fields?.[name]
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>
  throw new UsageError(`Cannot read the request: "${name}" must be an object.`)
}

/** @throws UsageError */
export function absolutePath(fields: Fields, name: string): string {
  const value = fields?.[name]
  if (typeof value === 'string' && value.startsWith('/') && value.length < PATH_MAX && !value.includes('\0'))
    return value
  throw new UsageError(`Cannot read the request: "${name}" must be an absolute path.`)
}
