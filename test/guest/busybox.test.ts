/**
 * Debian's busybox, the same file on the host and in the unikernel, with the same arguments, files and standard input:
 * output, errors and exit status must be the same to the byte.
 */
import { spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { packageRoot } from '../../src/paths.ts'
import { kvmTest } from '../helpers/kvm.ts'

const BUSYBOX = '/bin/busybox'
/** Made when the first test runs: without KVM none does, and nobody would remove it. */
const root = join(tmpdir(), `cloister-busybox-${process.pid}`)
const data = join(root, 'data')

const text = 'the quick brown fox\njumps over\nthe lazy dog\nthe quick brown fox\n10\n9\n100\n'

test.before('files are laid out', () => {
  mkdirSync(root, { mode: 0o700 })
  mkdirSync(join(root, 'bin'))
  mkdirSync(join(root, 'etc'))
  for (const file of ['etc/passwd', 'etc/group']) copyFileSync(`/${file}`, join(root, file))
  copyFileSync(BUSYBOX, join(root, 'bin/busybox'))
  mkdirSync(join(data, 'sub/deep'), { recursive: true })
  writeFileSync(join(data, 'text'), text)
  writeFileSync(join(data, 'numbers'), Array.from({ length: 2000 }, (_, n) => `${(n * 7919) % 2003}\n`).join(''))
  writeFileSync(join(data, 'bytes'), Buffer.from(Array.from({ length: 5000 }, (_, n) => (n * n) & 0xff)))
  writeFileSync(join(data, 'sub/a'), 'a\n')
  writeFileSync(join(data, 'sub/deep/b'), '')
  symlinkSync('text', join(data, 'link'))
  for (const path of ['text', 'numbers', 'bytes', 'sub/a', 'sub/deep/b', 'sub/deep', 'sub']) {
    utimesSync(join(data, path), 1_600_000_000, 1_600_000_000)
  }
})

test.after.always('files are removed', () => rmSync(root, { recursive: true, force: true }))

interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function run(command: string, args: readonly string[], stdin: string, cwd?: string): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { PATH: '/usr/bin:/bin', TZ: 'UTC', LANG: 'C' } })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (bytes: Buffer) => out.push(bytes))
    child.stderr.on('data', (bytes: Buffer) => err.push(bytes))
    child.stdin.on('error', () => {}) // a program that reads nothing closes its end
    child.stdin.end(stdin)
    child.on('error', reject)
    child.on('close', (status) =>
      resolve({ status, stdout: Buffer.concat(out).toString('latin1'), stderr: Buffer.concat(err).toString('latin1') }),
    )
  })
}

const onHost = (args: readonly string[], stdin: string) => run(BUSYBOX, args, stdin, data)

const inUnikernel = (args: readonly string[], stdin: string) =>
  run(
    join(packageRoot, 'bin/cloister'),
    [
      'run',
      '--rm',
      '-i',
      '--isolation',
      'unikernel',
      '--rootfs',
      root,
      '-w',
      '/data',
      '-e',
      'TZ=UTC',
      '-e',
      'LANG=C',
      BUSYBOX,
      ...args,
    ],
    stdin,
  )

/** Arguments, and what comes in on standard input. */
const CASES: readonly (readonly [args: readonly string[], stdin?: string])[] = [
  [['echo', '-e', 'a\\tb', 'c']],
  [['cat']],
  [['cat', '-n', 'text', '-'], 'from stdin\n'],
  [['cat', 'no-such-file', 'text']],
  [['ls']],
  [['ls', '-a', '-1', 'sub']],
  [['ls', '-R', '.']],
  [['ls', '-l', 'text', 'sub/a', 'no-such-file']],
  [['wc', 'text', 'numbers', 'bytes']],
  [['wc', '-l'], text],
  [['head', '-n', '3', 'numbers']],
  [['head', '-c', '100', 'bytes']],
  [['tail', '-n', '3', 'numbers']],
  [['tail', '-c', '+4990', 'bytes']],
  [['sort', 'text']],
  [['sort', '-n', 'numbers']],
  [['sort', '-r', '-u'], text],
  [['uniq', '-c'], 'a\na\nb\n'],
  [['cut', '-d', ' ', '-f', '2,3', 'text']],
  [['tr', 'a-z', 'A-Z'], text],
  [['tr', '-d', '\\n'], text],
  [['grep', 'quick', 'text']],
  [['grep', '-n', '-v', '-E', '^[0-9]+$', 'text']],
  [['grep', '-r', 'a', 'sub']],
  [['grep', 'nothing-like-it', 'text']],
  [['sed', '-e', 's/quick/slow/', '-e', '2d', 'text']],
  [['sed', '-n', '$p'], text],
  [['awk', '{ n += $1 } END { print n, NR, sqrt(2) }', 'numbers']],
  [['awk', '-F', ' ', '{ print $2 }', 'text']],
  [['find', '.', '-type', 'f']],
  [['find', '.', '-name', 'b*', '-o', '-type', 'l']],
  [['sha256sum', 'bytes', 'text']],
  [['md5sum', 'bytes', 'text']],
  [['sha256sum'], text],
  [['gzip', '-c', 'numbers']],
  [['tar', '-cf', '-', '--numeric-owner', 'text', 'sub/a']],
  [['od', '-c', 'text']],
  [['od', '-A', 'x', '-t', 'x1', 'bytes']],
  [['hexdump', '-C', 'bytes']],
  [['date', '-u', '-d', '@1600000000', '+%F %T']],
  [['uname', '-s', '-m']],
  [['env', '-i', 'A=1', 'B=two words']],
  [['true']],
  [['false']],
  [['sleep', '0.05']],
  [['seq', '1', '3', '20']],
  [['expr', '6', '*', '7']],
  [['expr', 'abc', ':', 'a\\(.*\\)']],
  [['test', '-f', 'text']],
  [['test', '-d', 'text']],
  [['printf', '%05d %s %x\\n', '42', 'word', '255']],
  [['stat', '-c', '%n %s %a %F %Y', 'text', 'sub/a']],
  [['stat', '-c', '%n %a %F %Y', 'sub', 'sub/deep']],
  [['stat', '-c', '%n %s %a %F', 'link']],
  [['readlink', 'link']],
  [['basename', '/a/b/c.txt', '.txt']],
  [['dirname', '/a/b/c.txt']],
  [['dd', 'if=bytes', 'bs=7', 'count=3', 'skip=2']],
  [['cmp', 'text', 'numbers']],
  [['diff', 'text', 'numbers']],
  [['fold', '-w', '10', 'text']],
  [['paste', 'text', 'text']],
  [['rev', 'text']],
  [['tac', 'text']],
  [['nl', 'text']],
  [['strings', 'bytes']],
  [['cksum', 'bytes']],
  [['base64', 'bytes']],
  [['sh', '-c', 'x=1; while [ $x -le 3 ]; do echo $x; x=$((x+1)); done; exit 7']],
  [['sh', '-c', 'read a b; echo "$b/$a" >&2'], 'one two\n'],
  [['sh', '-c', 'kill -TERM $$']],
  [['sh', '-c', 'trap "echo caught; exit 3" INT; kill -INT $$; echo not reached']],
  [['no-such-applet']],
]

/** `find` prints names in the order of the directory, which is the file system's own business. */
const inOrder = (args: readonly string[], { stdout, ...rest }: Outcome): Outcome => ({
  ...rest,
  stdout: args[0] === 'find' ? stdout.split('\n').sort().join('\n') : stdout,
})

for (const [args, stdin = ''] of CASES) {
  const title = args.map((arg) => (/^[\w./=@+:-]+$/.test(arg) ? arg : JSON.stringify(arg))).join(' ')
  kvmTest(`busybox ${title}${stdin === '' ? '' : ' < …'}`, async (t) => {
    const [host, guest] = await Promise.all([onHost(args, stdin), inUnikernel(args, stdin)])
    // A shell says 128 + n of a program that a signal ended; Node says null.
    t.deepEqual(inOrder(args, guest), { ...inOrder(args, host), status: host.status ?? 143 })
  })
}

/** Applets that write: what they leave is read back by a second program in the same unikernel, so a shell drives them. */
const SCRIPTS: readonly string[] = [
  'echo one > new; echo two >> new; while read l; do echo "<$l>"; done < new',
  'set -C; echo x > text',
  'cd sub && pwd && echo *',
  'for f in *; do [ -L $f ] && echo link $f; [ -d $f ] && echo dir $f; done',
  'exec 3>three; echo hi >&3; exec 3>&-; exec < three; read x; echo $x',
]

for (const script of SCRIPTS) {
  kvmTest(`busybox sh: ${script}`, async (t) => {
    const writable = mkdtempSync(join(tmpdir(), 'cloister-busybox-'))
    t.teardown(() => rmSync(writable, { recursive: true }))
    await run('cp', ['-a', `${data}/.`, writable], '')
    const [host, guest] = await Promise.all([
      run(BUSYBOX, ['sh', '-c', script], '', writable),
      inUnikernel(['sh', '-c', script], ''),
    ])
    const here = (output: string) => output.replaceAll(writable, '/data')
    t.deepEqual(guest, { ...host, stdout: here(host.stdout), stderr: here(host.stderr) })
  })
}

kvmTest('a second process is refused as by a Linux that has none to give', async (t) => {
  const { status, stderr } = await inUnikernel(['sh', '-c', 'echo text | cat'], '')
  t.is(status, 2)
  t.is(
    stderr,
    "sh: can't fork: Function not implemented\n" +
      'cloister: unikernel: clone (system call 56) is not supported: a unikernel runs one process with one thread (docs/unikernel-abi.md)\n',
  )
})

kvmTest('what a program writes does not reach the directory it was given', async (t) => {
  await inUnikernel(['sh', '-c', 'echo changed > text; echo new > other'], '')
  const { stdout } = await run('sh', ['-c', 'head -c 9 text; ls'], '', data)
  t.is(stdout, 'the quickbytes\nlink\nnumbers\nsub\ntext\n')
})
