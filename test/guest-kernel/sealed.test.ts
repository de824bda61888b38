/** What a program can do to the guest kernel from inside: guest-kernel/tests that attack it. */
import { runGuest } from '../helpers/guests.ts'
import { kvmTest } from '../helpers/kvm.ts'

kvmTest(
  'once a program runs, the way to CPL0 neither writes system registers nor reads supervisor memory',
  async (t) => {
    const { end, output } = await runGuest('sealed')
    t.deepEqual(end, { kind: 'exitPort', value: 0 }, output)
    t.regex(output, /^PASS sealed\r?$/m)
    t.notRegex(output, /[^\x20-\x7e\r\n]/)
  },
)
