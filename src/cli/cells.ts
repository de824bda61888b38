/** What stands in the columns of tables. */

const COMMAND_WIDTH = 40

/** Arguments are anybody's bytes: nothing that moves the cursor reaches the terminal. */
export function oneLine(command: string, width = COMMAND_WIDTH): string {
  const visible = command.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\u2028\u2029]/gu, '?')
  return visible.length > width ? `${visible.slice(0, width - 3)}...` : visible
}

export function age(since: string, now = Date.now()): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1000))
  for (const [length, unit] of [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
  ] as const) {
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit} ago`
  }
  return `${seconds} s ago`
}

/** `12.3M`: of three digits or so, for sizes that need not be exact. */
export function roundSize(bytes: number): string {
  for (const [unit, letter] of [
    [2 ** 30, 'G'],
    [2 ** 20, 'M'],
    [2 ** 10, 'K'],
  ] as const) {
    if (bytes >= unit) return `${Number((bytes / unit).toPrecision(3))}${letter}`
  }
  return `${bytes}`
}
