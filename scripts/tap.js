/** Reads the TAP lines of a run of ava: counts them, shows what fails and what is skipped, under a prefix. */
/** In the words of test/helpers/kvm.ts. */
const SKIPPED_FOR_KVM = /\(skipped: no KVM here: /

export function tapReader({ prefix = '', say }) {
  let showing = false
  const run = {
    passed: 0,
    skipped: 0,
    skippedForKvm: 0,
    bailedOut: false,
    /** The runner has said how many tests there were: it came to its end. */
    complete: false,
    /** What went wrong with the run as a whole. */
    problems: [],
    /** Of tests that failed, in order. */
    failures: [],
    /** Of tests that ran, in order. */
    titles: [],
    read(line) {
      const result = /^(not )?ok \d+ - (.*)$/.exec(line)
      if (result) {
        const [, not, title] = result
        showing = Boolean(not)
        const skipped = !not && /# SKIP/i.test(title)
        if (!skipped) run.titles.push(title)
        if (not) run.failures.push(prefix + title)
        else if (skipped) run.skipped++
        else run.passed++
        if (skipped && SKIPPED_FOR_KVM.test(title)) run.skippedForKvm++
        if (not || skipped) say(`${not ? '✗' : '-'} ${prefix}${title}`)
        return
      }
      if (/^1\.\.\d+$/.test(line)) run.complete = true
      if (/^Bail out!/.test(line)) run.bailedOut = true
      if (/^(TAP version|\d+\.\.\d+|# (tests|pass|skip|fail) )/.test(line)) return
      // What follows a failed test, and what the tests themselves printed.
      if (showing) say(prefix + line)
    },
  }
  return run
}
