import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { COMMANDS as COMMAND_TABLE } from '../../src/cli/command-table.ts'
import * as paths from '../../src/paths.ts'
import { CLOISTER, commandLine } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const { packageRoot } = paths
const { version, files } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
  readonly version: string
  readonly files: readonly string[]
}
const escaped = (text: string): string => text.replace(/[^\w ]/g, '\\$&')
const COMMANDS = ['run', 'ps', 'rm', 'compare', 'doctor', 'version']

test('--version, -v and version print the version of package.json and nothing else', async (t) => {
  const cloister = commandLine(t)
  for (const word of ['--version', '-v', 'version']) {
    t.deepEqual(await cloister([word]), { status: 0, stdout: `${version}\n`, stderr: '' }, word)
  }
  const { stdout } = await cloister(['version', '--json'])
  t.like(JSON.parse(stdout), { cloister: version })
})

test('what a command finds beside its code is in the package', (t) => {
  // Linux is none of them: each host builds the flavour that it needs.
  const found = Object.entries(paths).flatMap(([name, path]) =>
    name.endsWith('Path') && typeof path === 'string' ? [path] : [],
  )
  t.true(found.length >= 3)
  t.deepEqual(
    found.filter((path) => !files.some((file) => path === join(packageRoot, file))),
    [],
  )
})

test('help lists every command; without a command there is help too', async (t) => {
  const cloister = commandLine(t)
  for (const args of [['--help'], ['-h'], ['help'], []]) {
    const { status, stdout, stderr } = await cloister(args)
    t.is(status, 0)
    t.is(stderr, '')
    for (const name of COMMANDS) t.regex(stdout, new RegExp(`^  cloister ${name} `, 'm'))
  }
})

test('every command has its own help, with examples', async (t) => {
  const cloister = commandLine(t)
  for (const name of COMMANDS) {
    const { status, stdout } = await cloister([name, '--help'])
    t.is(status, 0)
    t.regex(stdout, /^Examples:$/m)
    t.regex(stdout, /--log-level/)
    t.is((await cloister(['help', name])).stdout, stdout)
  }
})

test('no example of the help is broken into lines', async (t) => {
  const cloister = commandLine(t)
  for (const { name, examples } of COMMAND_TABLE) {
    const { stdout } = await cloister([...name.split(' '), '--help'])
    for (const [line, what] of examples) t.regex(stdout, new RegExp(`^  ${escaped(line)} +${escaped(what)}$`, 'm'))
  }
})

test('no word after the name of the command is taken by Node', async (t) => {
  const cloister = commandLine(t)
  const directory = temporaryDirectory(t)
  const [variables, script, trace] = ['variables', 'evil.cjs', 'ran'].map((name) => join(directory, name))
  writeFileSync(script!, `require('node:fs').writeFileSync(${JSON.stringify(trace)}, '')`)
  writeFileSync(variables!, `NODE_OPTIONS=--require ${script}\n`)
  for (const words of [
    ['--env-file', variables!],
    [`--env-file=${variables}`],
    [`--env-file-if-exists=${variables}`],
    ['--require', script!],
  ]) {
    for (const args of [
      ['run', ...words, './nowhere'],
      ['run', './nowhere', ...words],
      ['run', './nowhere', '--', ...words],
    ]) {
      const { status, stderr } = await cloister(args)
      t.regex(stderr, /^cloister: /, args.join(' '))
      t.true(status === 127 || status === 125, `${status}`)
    }
  }
  t.false(existsSync(trace!))
  t.regex((await cloister(['run', './nowhere', '--env-file', '/nowhere/variables'])).stderr, /there is no such file\./)
})

test('an unknown command and an unknown option get a suggestion, in two lines and with status 125', async (t) => {
  const cloister = commandLine(t)
  t.deepEqual(await cloister(['rnu', './prog']), {
    status: 125,
    stdout: '',
    stderr: 'cloister: Cannot read the command line: there is no command "rnu".\n  Did you mean "cloister run"?\n',
  })
  t.deepEqual(await cloister(['run', '--memry', '64M', './prog']), {
    status: 125,
    stdout: '',
    stderr: 'cloister: Cannot read the command line: run has no option --memry.\n  Did you mean --memory?\n',
  })
  t.regex((await cloister(['kubernetes'])).stderr, /"cloister --help" lists the commands/)
  t.regex((await cloister(['--json', 'ps'])).stderr, /no option --json before the command/)
})

test('values that make no sense are refused before anything starts', async (t) => {
  const cloister = commandLine(t)
  const wrong: [string[], RegExp][] = [
    [['--memory', 'lots'], /Cannot read "lots" as a size/],
    [['--memory', '128'], /less than 4M/],
    [['--cpus', '0'], /number of processors/],
    [['--timeout', '1d'], /as a duration/],
    [['--workdir', 'tmp'], /must begin with "\/"/],
    [
      ['--trace', 'exits:/nowhere/x'],
      /Cannot write the trace to \/nowhere\/x: there is no such file or directory\.\n {2}Name a file/,
    ],
    [
      ['--env-file', '/nowhere'],
      /Cannot read variables from \/nowhere: there is no such file or directory\.\n {2}--env-file takes/,
    ],
    [['--isolation', 'jail'], /there is no such level/],
    [['--trace', 'syscalls'], /only exits can be traced/],
    [['--isolation', 'container', '--trace', 'exits'], /it has none/],
    [['--isolation', 'container', '--kernel', '/vmlinux'], /shares that of the host/],
    [['--name', '../x'], /as a name/],
    [['--log-level', 'loud'], /log at level/],
  ]
  for (const [options, message] of wrong) {
    const { status, stdout, stderr } = await cloister(['run', ...options, '/bin/busybox', 'true'])
    t.is(status, 125, options.join(' '))
    t.is(stdout, '')
    t.regex(stderr, message)
    t.true(stderr.trimEnd().split('\n').length <= 3)
  }
})

test('--debug shows where an error came from', async (t) => {
  const cloister = commandLine(t)
  t.notRegex((await cloister(['run', './nowhere'])).stderr, /at /)
  t.regex((await cloister(['run', '--debug', './nowhere'])).stderr, /UsageError: .*\n +at /)
})

test('the launcher works over symbolic links, absolute and relative ones', (t) => {
  const directory = temporaryDirectory(t)
  symlinkSync(CLOISTER, join(directory, 'absolute'))
  symlinkSync('absolute', join(directory, 'relative'))
  for (const [command, cwd] of [
    [join(directory, 'relative'), '/'],
    ['./relative', directory],
  ] as const) {
    t.is(spawnSync(command, ['--version'], { cwd, encoding: 'utf8' }).stdout, `${version}\n`)
  }
})

test('the launcher says what is missing: the build, or Node', (t) => {
  const directory = temporaryDirectory(t)
  copyFileSync(CLOISTER, join(directory, 'cloister'))
  const unbuilt = spawnSync(join(directory, 'cloister'), ['--version'], { encoding: 'utf8' })
  t.is(unbuilt.status, 125)
  t.regex(unbuilt.stderr, /not built yet.\n {2}Run: make/)
  const without = spawnSync('/bin/sh', [CLOISTER, '--version'], { encoding: 'utf8', env: { PATH: '/nowhere' } })
  t.is(without.status, 125)
  t.regex(without.stderr, /Node.js is missing/)
})

test('output that nobody reads ends the command as a shell expects, without a stack trace', (t) => {
  const { stdout, stderr } = spawnSync('/bin/bash', ['-c', `${CLOISTER} run --help | true; echo "\${PIPESTATUS[0]}"`], {
    encoding: 'utf8',
  })
  t.regex(stdout, /^(141|0)\n$/)
  t.is(stderr, '')
})

test('a trace that nobody would see is refused: standard error of a detached instance, exits of a container', async (t) => {
  const cloister = commandLine(t)
  const detached = await cloister(['run', '-d', '--trace', 'exits', '/bin/busybox', 'true'])
  t.is(detached.status, 125)
  t.regex(detached.stderr, /Cannot trace the exits of a detached instance.*\n {2}Write --trace exits:FILE\.\n$/)
  const container = await cloister(['run', '--isolation', 'container', '--trace', 'exits', '/bin/busybox', 'true'])
  t.regex(container.stderr, /Cannot trace the exits of a container/)
})
