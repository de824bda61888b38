/** Text from inside an instance, fit for a terminal: what would move its cursor, or worse, is a question mark. */

const isControl = (code: number) => code < 0x20 || (code >= 0x7f && code < 0xa0)

export const printable = (text: string): string =>
  Array.from(text, (character) => (isControl(character.charCodeAt(0)) ? '?' : character)).join('')
