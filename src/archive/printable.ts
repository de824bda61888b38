/**
 * Text from inside an instance, fit for a terminal: what would move its cursor, or worse, is a question mark. So is what
 * turns the direction of writing, and with it the order in which a line is read: Unicode, UAX #9, "Directional Formatting".
 */
const isControl = (code: number) => code < 0x20 || (code >= 0x7f && code < 0xa0)
const isDirection = (code: number) => (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)

export const printable = (text: string): string =>
  Array.from(text, (character) => {
    const code = character.charCodeAt(0)
    return isControl(code) || isDirection(code) ? '?' : character
  }).join('')

/** The same value as JSON with none of these in it: they are escaped, as JSON itself does it for some. */
export const printableJson = (value: unknown): string =>
  JSON.stringify(value, undefined, 2).replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
