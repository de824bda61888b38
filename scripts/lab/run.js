/**
 * Runs a command in the SVM lab: `node scripts/lab/run.js [--timeout SECONDS] [COMMAND]`. QEMU emulates an AMD processor
 * with SVM; the Linux in it has kvm_amd and sees this host's files, read-only. Standard streams and exit status are the
 * command's; 124 when the time was over, 125 when the lab failed, 77 where it cannot be had. Without a command, a
 * shell. docs/svm-lab.md
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const TIMED_OUT = 124
const FAILED = 125
const UNAVAILABLE = 77
const QEMU = 'qemu-system-x86_64'
/** Each a socket between QEMU and us: the serial console, and ports of a virtio-serial device. */
const PORTS = ['stdin', 'stdout', 'stderr', 'status']
const STREAMS = [...PORTS, 'console']
/** The first descriptor after the standard ones. */
const FIRST_STREAM_FD = 3

const { values, positionals } = parseArgs({
  options: {
    timeout: { type: 'string', default: '900' },
    cpus: { type: 'string', default: '1' },
    memory: { type: 'string', default: '4096' },
  },
  allowPositionals: true,
})
const command = positionals.join(' ')
const interactive = command === ''

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`
const fail = (why, status = FAILED) => {
  process.stderr.write(`lab: ${why}\n`)
  process.exit(status)
}

/** The environment is the lab's own but for a few words; NODE_EXTRA_CA_CERTS costs seconds there. */
function script() {
  const kept = ['PATH', 'HOME', 'USER', 'TERM', 'LANG'].filter((name) => process.env[name])
  const settings = kept.map((name) => `${name}=${quote(process.env[name])}`).join(' ')
  const { columns, rows } = process.stdout
  const size = columns ? `stty cols ${columns} rows ${rows}` : ':'
  const shell = `${size}; echo 'The lab. Leave with exit, or Ctrl-A x.'; PS1='lab:\\w# ' exec bash --norc -i`
  return `cd ${quote(process.cwd())} && export ${settings} && { ${interactive ? shell : command}\n}`
}

function files() {
  const output = (file, ...args) => {
    const { status, stdout } = spawnSync(fileURLToPath(new URL(file, import.meta.url)), args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    if (status !== 0) process.exit(status === UNAVAILABLE ? UNAVAILABLE : FAILED) // it has said why
    return stdout.trim()
  }
  const kernel = output('kernel.sh')
  return { kernel: `${kernel}/vmlinuz`, initramfs: output('initramfs.sh', kernel) }
}

function machine({ kernel, initramfs }) {
  const streams = interactive
    ? ['-serial', 'mon:stdio']
    : [
        ...STREAMS.flatMap((name, index) => ['-chardev', `socket,id=${name},fd=${FIRST_STREAM_FD + index}`]),
        ...['-device', 'virtio-serial-pci', '-serial', 'chardev:console'],
        ...PORTS.flatMap((name) => ['-device', `virtserialport,chardev=${name},name=${name}`]),
      ]
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-M', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max,-pku', '-smp', values.cpus, '-m', values.memory],
    ...['-kernel', kernel, '-initrd', initramfs],
    ...['-append', 'console=ttyS0 panic=-1 mitigations=off quiet'],
    ...['-virtfs', 'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap'],
    // QEMU reads a comma in an option's value where there are two.
    ...['-fw_cfg', `name=opt/cloister/script,string=${script().replaceAll(',', ',,')}`],
    ...streams,
  ]
}

if (interactive && !process.stdin.isTTY) fail('a shell needs a terminal, and this is none: give a command.')

for (const [program, debianPackage] of [
  [QEMU, 'qemu-system-x86'],
  ['setpriv', 'util-linux'],
]) {
  const found = process.env.PATH?.split(':').some((folder) => existsSync(`${folder}/${program}`))
  if (!found) fail(`${program} is missing (apt-get install ${debianPackage}).`, UNAVAILABLE)
}

// It dies with this process, however that dies.
const qemu = spawn('setpriv', ['--pdeathsig', 'KILL', QEMU, ...machine(files())], {
  stdio: interactive ? 'inherit' : ['ignore', 'ignore', 'inherit', ...STREAMS.map(() => 'pipe')],
})
qemu.on('error', (error) => fail(error.message))

let ended
const end = (status) => {
  ended ??= status
  qemu.kill('SIGKILL')
}
const timer = setTimeout(() => {
  process.stderr.write(`lab: the time limit of ${values.timeout} s is over.\n`)
  end(TIMED_OUT)
}, Number(values.timeout) * 1000)
for (const [signal, number] of [
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGTERM', 15],
]) {
  process.on(signal, () => end(128 + number))
}

// A parent that has a channel to this process ends it by ending.
process.once('disconnect', () => end(FAILED))
process.channel?.unref()

let said = ''
if (!interactive) {
  const [stdin, stdout, stderr, status, console] = STREAMS.map((_, index) => qemu.stdio[FIRST_STREAM_FD + index])
  for (const stream of [stdin, stdout, stderr, status, console]) stream.on('error', () => {}) // QEMU is gone: its status says why
  process.stdin.pipe(stdin)
  stdout.pipe(process.stdout, { end: false })
  stderr.pipe(process.stderr, { end: false })
  console.pipe(process.stderr, { end: false })
  status.setEncoding('utf8').on('data', (text) => {
    said += text
    if (said.endsWith('\n')) qemu.kill('SIGKILL') // all output has passed before
  })
}

qemu.on('close', (code, signal) => {
  clearTimeout(timer)
  process.stdin.unref?.()
  if (ended === undefined && interactive) process.exitCode = code ?? FAILED
  else if (ended === undefined && !/^\d+\n$/.test(said)) {
    process.stderr.write(`lab: it ended without a status (QEMU: ${signal ?? code}).\n`)
    process.exitCode = FAILED
  } else process.exitCode = ended ?? Number(said)
})
