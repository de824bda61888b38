/** `-t`: the program has a terminal of its own, at every level alike, and ours is lent to it. */
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { detachedCommandLine, LEVELS } from '../helpers/detached.ts'
import { onTerminal } from '../helpers/pseudo-terminal.ts'

for (const { isolation, levelTest } of LEVELS) {
  const run = (...args: string[]) => ['run', '--isolation', isolation, '-it', BUSYBOX, ...args]

  levelTest(`${isolation}: the program's three streams are one terminal, as large as ours`, async (t) => {
    const { root } = detachedCommandLine(t)
    const shown = await onTerminal(run('stty', 'size'), { root }).ended()
    t.deepEqual(shown, { status: 0, screen: '33 99\r\n' })
    const script = '[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo out && echo err >&2; exit 3'
    const streams = await onTerminal(run('sh', '-c', script), { root }).ended()
    t.deepEqual(streams, { status: 3, screen: 'out\r\nerr\r\n' })
  })

  levelTest(`${isolation}: keys are shown, edit a line, and end the input`, async (t) => {
    const { root } = detachedCommandLine(t)
    const cat = onTerminal(run('sh', '-c', 'echo ready; read line; echo "<$line>"; read rest || echo end'), { root })
    await cat.after(/ready\r\n/, 'ab\x7fc\r')
    await cat.after(/<ac>\r\n/, '\x04')
    const { status, screen } = await cat.ended()
    t.is(status, 0)
    t.is(screen, 'ready\r\nab\b \bc\r\n<ac>\r\nend\r\n')
  })

  levelTest(`${isolation}: Ctrl-C interrupts a program that computes`, async (t) => {
    const { root } = detachedCommandLine(t)
    const busy = onTerminal(run('sh', '-c', 'echo ready; while :; do :; done'), { root })
    await busy.after(/ready\r\n/, '\x03')
    const { status, screen } = await busy.ended()
    t.is(status, 130)
    t.is(screen, 'ready\r\n^C')
  })

  levelTest(
    `${isolation}: a program of its own ways gets keys one by one, and the terminal is as before`,
    async (t) => {
      const { root } = detachedCommandLine(t)
      const script = 'stty raw -echo; echo ready; read -n 1 key; stty sane; echo "<$key>"'
      // A unikernel has one process, and no stty beside the shell: its shell edits lines in such a mode itself.
      const shell = onTerminal(isolation === 'container' ? run('sh', '-c', script) : run('sh'), { root })
      if (isolation === 'container') await shell.after(/ready/, 'x')
      else await shell.after(/# /, 'echo "<x>"; exit\r')
      const { status, screen } = await shell.ended()
      t.is(status, 0)
      t.regex(screen, /<x>\r\n$/)
    },
  )

  levelTest(
    `${isolation}: one that is detached has its terminal for whoever attaches, and two keys lead back`,
    async (t) => {
      const cloister = detachedCommandLine(t)
      const { root } = cloister
      await cloister([
        'run',
        '-d',
        '-it',
        '--isolation',
        isolation,
        '--name',
        'term',
        BUSYBOX,
        'sh',
        '-c',
        'while read line; do echo "<$line>"; [ "$line" = bye ] && exit 4; done',
      ])
      const first = onTerminal(['attach', 'term'], { root })
      await first.after(/^/, 'one\r')
      await first.after(/<one>\r\n/, '\x10\x11')
      t.is((await first.ended()).status, 0)
      const second = onTerminal(['attach', 'term'], { root })
      await second.after(/^/, 'bye\r')
      const { status, screen } = await second.ended()
      t.is(status, 4)
      t.regex(screen, /<bye>\r\n/)
    },
  )

  levelTest(`${isolation}: -it without a terminal is refused, -t alone needs none`, async (t) => {
    const cloister = detachedCommandLine(t)
    const refused = await cloister(run('true'), { input: '' })
    t.is(refused.status, 125)
    t.is(
      refused.stderr,
      'cloister: Cannot give the program a terminal: standard input is not one.\n  Leave -t out, or -i if the program reads nothing.\n',
    )
    const { status, stdout } = await cloister(['run', '--isolation', isolation, '-t', BUSYBOX, 'echo', 'hello'])
    t.deepEqual({ status, stdout }, { status: 0, stdout: 'hello\r\n' })
  })
}
