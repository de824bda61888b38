/** What can be done with an instance that runs, and inside it, at every level: one instance for all of it. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { BUSYBOX } from '../../helpers/busybox-spec.ts'
import { describeTree } from '../../helpers/file-trees.ts'
import { onTerminal } from '../../helpers/pseudo-terminal.ts'
import { type Level, type Place, placeFor } from './levels.ts'

/** Says each line that it reads, and each signal. Nothing of it forks. */
const PROGRAM = 'trap "echo usr1" USR1; echo up; while :; do read line && echo "<$line>"; done'

export function instancesKeepTheirPromises(level: Level): void {
  const { isolation, lacks } = level
  const place: Place = placeFor(level)
  const { cloister } = place
  const files = mkdtempSync(join(tmpdir(), 'cloister-contract-files-'))
  test.after.always(async () => {
    await place.clear()
    rmSync(files, { recursive: true, force: true })
  })

  let started: Promise<void> | undefined
  async function start(): Promise<void> {
    const words = [...place.run, '-d', '-i', '--name', 'web', '-e', 'OWN=yes', '-w', '/bin']
    const { status, stderr } = await cloister([...words, BUSYBOX, 'sh', '-c', PROGRAM])
    if (status !== 0) throw new Error(`it did not start: ${stderr}`)
  }
  const levelTest = (title: string, implementation: (t: ExecutionContext) => Promise<void>) =>
    level.test(`${isolation}: ${title}`, async (t) => {
      started ??= start()
      await started
      await implementation(t)
    })
  const exec = (args: readonly string[], input?: string | Buffer) =>
    cloister(['exec', ...args], input === undefined ? {} : { input })

  /** What needs a second program inside: kept, or refused with the reason. */
  const further = (title: string, refused: readonly string[], implementation: (t: ExecutionContext) => Promise<void>) =>
    levelTest(title, async (t) => {
      const refusal = lacks['further programs']
      if (!refusal) return implementation(t)
      const { status, stdout, stderr } = await cloister(refused)
      t.is(status, 125)
      t.is(stdout, '')
      t.regex(stderr, refusal)
    })

  levelTest('logs has what it printed, attach what it prints from now on, and it reads what is typed', async (t) => {
    const { child, result } = cloister.start(['attach', '--no-signals', 'web'], { keepInput: true })
    let shown = ''
    child.stdout!.on('data', (text: string) => {
      shown += text
    })
    while (!shown.includes('<hello>')) {
      child.stdin!.write('hello\n')
      await sleep(200)
    }
    child.kill('SIGTERM')
    await result
    t.regex((await cloister(['logs', 'web'])).stdout, /^up\n(<hello>\n)+$/)
  })

  levelTest('a paused one does nothing, says so, and goes on', async (t) => {
    t.is((await cloister(['pause', 'web'])).status, 0)
    const [record] = JSON.parse((await cloister(['ps', '--json'])).stdout)
    t.is(record.status, 'paused')
    if (!lacks['further programs'])
      t.regex((await exec(['web', BUSYBOX, 'true'])).stderr, /it is paused\.\n.*resume web/)
    t.is((await cloister(['resume', 'web'])).status, 0)
  })

  further("exec: status, both streams, the program's environment and directory", ['exec', 'web', 'true'], async (t) => {
    const script = 'echo "$OWN:$A:$PWD"; echo oops >&2; exit 7'
    const own = await exec(['-e', 'A=b c', 'web', BUSYBOX, 'sh', '-c', script])
    t.deepEqual(own, { status: 7, stdout: 'yes:b c:/bin\n', stderr: 'oops\n' })
    const others = await exec([
      '-e',
      'OWN=no',
      '-w',
      '/tmp',
      '-u',
      '1000:1001',
      'web',
      BUSYBOX,
      'sh',
      '-c',
      'id; echo "$OWN:$PWD:$HOME"',
    ])
    t.deepEqual(others, { status: 0, stdout: 'uid=1000 gid=1001\nno:/tmp:/\n', stderr: '' })
  })

  further('exec: what cannot start is told as a shell does', ['exec', 'web', 'nosuch'], async (t) => {
    const [missing, unfit, nowhere] = await Promise.all([
      exec(['web', 'nosuch']),
      exec(['web', '/dev/null']),
      exec(['-w', '/nowhere', 'web', BUSYBOX, 'true']),
    ])
    t.is(missing!.status, 127)
    t.regex(missing!.stderr, /^cloister: Cannot run nosuch: there is no such file/)
    t.is(unfit!.status, 126)
    t.regex(unfit!.stderr, /^cloister: Cannot run \/dev\/null: /)
    t.not(nowhere!.status, 0)
    t.regex(nowhere!.stderr, /\/nowhere/)
  })

  further('exec -i: input to its end, however much, and none without it', ['exec', '-i', 'web', 'cat'], async (t) => {
    const input = Buffer.alloc(300_000, 'all of this\n')
    const { status, stdout } = await exec(['-i', 'web', BUSYBOX, 'cat'], input)
    t.is(status, 0)
    t.true(stdout === input.toString())
    t.deepEqual(await exec(['web', BUSYBOX, 'cat'], 'x'), { status: 0, stdout: '', stderr: '' })
  })

  further(
    'exec: a signal reaches the program, also one that reads no input',
    ['exec', 'web', 'sleep', '600'],
    async (t) => {
      const { child, result } = cloister.start(
        ['exec', '-i', 'web', BUSYBOX, 'sh', '-c', 'trap "echo term; exit 3" TERM; echo up; while :; do sleep 1; done'],
        { input: Buffer.alloc(2_000_000) },
      )
      await new Promise((resolve) => child.stdout!.once('data', resolve))
      child.kill('SIGTERM')
      t.deepEqual(await result, { status: 3, stdout: 'up\nterm\n', stderr: '' })
    },
  )

  further(
    'exec: one whose command is gone ends, and others of the instance go on',
    ['exec', 'web', 'sleep', '600'],
    async (t) => {
      const { child, result } = cloister.start([
        'exec',
        'web',
        BUSYBOX,
        'sh',
        '-c',
        'echo up; trap "" HUP; while :; do sleep 1; done',
      ])
      await new Promise((resolve) => child.stdout!.once('data', resolve))
      child.kill('SIGKILL')
      await result
      const commands = async () =>
        (JSON.parse((await cloister(['top', '--json', 'web'])).stdout) as { command: string }[]).map(
          ({ command }) => command,
        )
      while ((await commands()).some((command) => command.includes('echo up; trap "" HUP'))) await sleep(100)
      t.true((await commands()).some((command) => command.includes(PROGRAM)))
    },
  )

  further('exec -it: a terminal as large as ours, and its keys', ['exec', '-t', 'web', 'sh'], async (t) => {
    const shell = onTerminal(['exec', '-it', 'web', BUSYBOX, 'sh', '-c', 'stty size; read x; echo "<$x>"; exit 5'], {
      root: cloister.root,
    })
    await shell.after(/33 99\r\n/, 'ab\x7fc\r')
    const { status, screen } = await shell.ended()
    t.is(status, 5)
    t.regex(screen, /<ac>\r\n$/)
  })

  further('cp: a tree goes in and comes back as it was', ['cp', files, 'web:/tmp'], async (t) => {
    const source = join(files, 'tree')
    mkdirSync(join(source, 'inner', 'd'.repeat(120)), { recursive: true })
    writeFileSync(join(source, 'inner/file'), Buffer.alloc(100_000, 'text '), { mode: 0o640 })
    writeFileSync(join(source, 'é ü'), '')
    symlinkSync('/etc/passwd', join(source, 'link'))
    t.deepEqual(await cloister(['cp', source, 'web:/tmp/copy']), { status: 0, stdout: '', stderr: '' })
    t.deepEqual(await cloister(['cp', 'web:/tmp/copy', join(files, 'back')]), { status: 0, stdout: '', stderr: '' })
    t.deepEqual(describeTree(join(files, 'back')), describeTree(source))
    // Into a directory that is there it goes under its name; with "/." what is in it goes.
    await cloister(['cp', 'web:/tmp/copy', join(files, 'back')])
    await cloister(['cp', 'web:/tmp/copy/inner/.', join(files, 'back')])
    t.deepEqual(
      Object.keys(describeTree(join(files, 'back')))
        .filter((name) => /^\/(copy|file)$/.test(name))
        .sort(),
      ['/copy', '/file'],
    )
  })

  further('cp -: bytes of a file, tars of directories', ['cp', '-', 'web:/tmp/x'], async (t) => {
    t.is((await cloister(['cp', '-', 'web:/tmp/plain'], { input: 'hello\n' })).status, 0)
    t.deepEqual(await cloister(['cp', 'web:/tmp/plain', '-']), { status: 0, stdout: 'hello\n', stderr: '' })
    t.deepEqual(await cloister(['cp', 'web:/etc/hostname', '-']), { status: 0, stdout: 'web\n', stderr: '' })
  })

  further('cp: what cannot be copied is told in one line, with the reason', ['cp', 'web:/x', '-'], async (t) => {
    for (const [args, words] of [
      [['web:/nosuch', '-'], /^cloister: Cannot copy: \/nosuch: No such file or directory\.\n$/],
      [[files, 'web:/no/where'], /^cloister: Cannot copy: \/no\/: No such file or directory\.\n$/],
      [['web:/bin', join(files, 'no/where')], /^cloister: Cannot copy to .*: there is no such file or directory\.\n$/],
    ] as const) {
      const { status, stderr } = await cloister(['cp', ...args])
      t.is(status, 125)
      t.regex(stderr, words)
    }
  })

  levelTest('top lists what runs in it', async (t) => {
    const rows = JSON.parse((await cloister(['top', '--json', 'web'])).stdout) as Record<string, unknown>[]
    const program = rows.find(({ command }) => String(command).includes(PROGRAM))
    t.like(program, { user: 'root', uid: 0 })
    t.regex((await cloister(['top', 'web'])).stdout, /^PID +PPID +USER/)
  })

  levelTest('stats tells what it uses', async (t) => {
    const [{ memoryBytes, cpuTimeNs, isolation: told }] = JSON.parse(
      (await cloister(['stats', '--json', 'web'])).stdout,
    )
    t.is(told, isolation)
    t.true(memoryBytes > 0)
    t.true(cpuTimeNs > 0)
  })

  levelTest('kill sends a signal, and stop ends it', async (t) => {
    t.is((await cloister(['kill', '-s', 'USR1', 'web'])).status, 0)
    while (!(await cloister(['logs', 'web'])).stdout.includes('usr1\n')) await sleep(100)
    t.deepEqual(await cloister(['stop', '--time', '20s', 'web']), { status: 0, stdout: 'web\n', stderr: '' })
    t.is((await cloister(['wait', 'web'])).stdout, '143\n')
    const { status, stderr } = await exec(['web', BUSYBOX, 'true'])
    t.is(status, 125)
    t.regex(stderr, /it has ended/)
  })
}
