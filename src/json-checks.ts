/**
 * Says whether a value that came out of a file is what it should be, built up from small questions. For plain JSON that
 * anyone may have written: an object has the fields that are named and no others.
 */
export type Check = (value: unknown) => boolean

export const flag: Check = (value) => typeof value === 'boolean'

export const integer =
  (low: number, high: number, unit = 1): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= low && (value as number) <= high && (value as number) % unit === 0

export const matching =
  (pattern: RegExp): Check =>
  (value) =>
    typeof value === 'string' && pattern.test(value)

/** That people may read on a terminal. */
export const printable =
  (max: number): Check =>
  (value) =>
    typeof value === 'string' && value.length <= max && /^\P{C}*$/u.test(value)

export const oneOf =
  (values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value)

export const either =
  (...checks: readonly Check[]): Check =>
  (value) =>
    checks.some((check) => check(value))

export const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value)

export const listOf =
  (max: number, check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length <= max && value.every(check)

export const object =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isObject(value) &&
    Object.keys(value).every((key) => Object.hasOwn(fields, key)) &&
    Object.entries(fields).every(([key, check]) => check(value[key]))

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
