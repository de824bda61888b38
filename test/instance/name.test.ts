import test from 'ava'
import fc from 'fast-check'
import { UsageError } from '../../src/errors.ts'
import { checkInstanceName, isInstanceName, proposeName } from '../../src/instance/name.ts'

test('a name is 1 to 63 letters, digits, "_", "." and "-", and begins with a letter or digit', (t) => {
  for (const name of ['a', '7', 'web', 'web-1.example_A', 'x'.repeat(63)]) t.is(checkInstanceName(name), name)
  for (const name of ['', '.', '..', '-rf', '_x', '.hidden', 'a/b', 'a b', 'a\n', 'a\0', 'ä', 'x'.repeat(64), '../x']) {
    t.throws(() => checkInstanceName(name), { instanceOf: UsageError }, JSON.stringify(name))
  }
})

test('no accepted name leaves its directory, hides, looks like an option or needs quoting', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[.\-_a-zA-Z0-9/]{0,70}$/)), (text) => {
      if (!isInstanceName(text)) return true
      return !/^[.-]/.test(text) && !/[/\s'"$\\]/.test(text) && text.length <= 63 && text !== '..'
    }),
  )
  t.pass()
})

test('proposed names are allowed ones, and grow a number when the plain ones are taken', (t) => {
  for (let attempt = 0; attempt < 20; attempt++) t.true(isInstanceName(proposeName(attempt)))
  t.regex(proposeName(0), /^[a-z]+-[a-z]+$/)
  t.regex(
    proposeName(5, () => 0.5),
    /^[a-z]+-[a-z]+-\d+$/,
  )
})
