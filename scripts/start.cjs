// The file that bin/cloister hands to Node: says so if Node is too old to read the rest, then runs the bundle with the
// bytecode that the build left beside it. Compiling the bundle anew would cost 10 ms of every start. Bytecode of
// another version of Node, or none, is no error: V8 refuses it and compiles. Written in the JavaScript of 2015, so
// that an old Node gets as far as the message.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `cloister: Cannot start: this is Node.js ${process.versions.node}, and it needs 20.19 or later.\n  Install a newer one, or put it first in PATH; ${process.execPath} is the one found.\n`,
  )
  process.exit(125)
}
if (process.argv.length === 3 && (process.argv[2] === '--version' || process.argv[2] === '-v')) {
  // process.stdout would load the code of sockets and terminals, 4 ms of it.
  require('node:fs').writeSync(1, 'VERSION\n')
  process.exit(0)
}

// Node opens its debugger on SIGUSR1, for anybody on this host, unless somebody listens. `run` passes both on.
process.on('SIGUSR1', () => {})
process.on('SIGUSR2', () => {})

const fs = require('node:fs')
const { Script } = require('node:vm')

function read(name, encoding) {
  try {
    return fs.readFileSync(`${__dirname}/${name}`, encoding)
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    return undefined
  }
}

const script = new Script(read('cloister-main.cjs', 'utf8'), {
  filename: `${__dirname}/cloister-main.cjs`,
  // The name carries the digest of the bundle: V8 itself only compares lengths.
  cachedData: read('cloister-main.BUNDLE_DIGEST.bytecode'),
})
script.runInThisContext()(require, module, exports, __filename)
exports.script = script
