/** A guest without a large piece of memory for a packet: the kernel refuses to send it, and the connection stays. */
import { execFileSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test from 'ava'
import { agentClient } from '../../src/agent/client.ts'
import { packageRoot } from '../../src/paths.ts'
import { withAgent } from '../helpers/agent-process.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

/** In the place of send(2): no more than a page, and every eighth time not even that. */
const SCARCE_SEND = `
#include <errno.h>
#include <sys/socket.h>
ssize_t __real_send(int, const void *, size_t, int);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags)
{
	static int calls;
	if (size > 4096 || ++calls % 8 == 0)
		return errno = ENOMEM, -1;
	return __real_send(fd, bytes, size, flags);
}
`

function agentShortOfMemory(directory: string): string {
  const [send, program] = [join(directory, 'send.c'), join(directory, 'agent')]
  writeFileSync(send, SCARCE_SEND)
  const sources = ['agent', 'tool'].flatMap((part) =>
    readdirSync(join(packageRoot, 'rootfs', part))
      .filter((name) => name.endsWith('.c') && `${part}/${name}` !== 'tool/main.c')
      .map((name) => join(packageRoot, 'rootfs', part, name)),
  )
  execFileSync('gcc', ['-std=c11', '-D_GNU_SOURCE=', '-O1', '-Wl,--wrap=send', '-o', program, send, ...sources])
  return program
}

test('output goes on in small packets when the kernel has no memory for large ones', (t) =>
  withAgent(
    t,
    async (agent) => {
      const client = agentClient(await agent.transport())
      await client.configure({})
      const session = await client.start({
        program: '/bin/busybox',
        argv: ['sh', '-c', 'head -c 400000 /dev/zero; exit 5'],
        env: ['PATH=/bin:/usr/bin'],
        cwd: '/',
        interactive: false,
      })
      session.stderr.resume()
      t.is((await text(session.stdout)).length, 400_000)
      t.is((await session.wait()).exitCode, 5)
    },
    agentShortOfMemory(temporaryDirectory(t)),
  ))
