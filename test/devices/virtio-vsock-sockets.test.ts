/** The device with real Unix sockets behind it, and a driver that behaves: what a guest's program would see. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { listenVsock } from '../../src/backends/vsock-sockets.ts'
import { virtioVsock } from '../../src/devices/virtio-vsock.ts'
import { OP, type Packet, VsockDriver } from '../helpers/vsock-driver.ts'

const world = async () => {
  const directory = mkdtempSync(join(tmpdir(), 'vsock-test-'))
  const path = join(directory, 'vsock.sock')
  const backend = await listenVsock(path)
  const driver = new VsockDriver(virtioVsock({ backend }), { rxBytes: 4096 })
  /** Packets as they come, until one is of this operation. */
  const until = async (op: number): Promise<Packet[]> => {
    const packets: Packet[] = []
    while (!packets.some((packet) => packet.op === op)) {
      await turn()
      driver.mmio.settle()
      packets.push(...driver.takeAll())
    }
    return packets
  }
  const close = () => {
    driver.mmio.transport.reset()
    backend.close()
    rmSync(directory, { recursive: true })
  }
  return { path, driver, until, close }
}

const text = (packets: readonly Packet[]) => Buffer.concat(packets.map(({ payload }) => payload)).toString()

const collect = async (socket: Socket): Promise<Buffer> => {
  const parts: Buffer[] = []
  for await (const part of socket) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

test('a host program and a guest program talk, end their sides one after the other, and leave nothing', async (t) => {
  const { path, driver, until, close } = await world()
  const program = connect({ path, allowHalfOpen: true })
  program.write('CONNECT 5201\n')
  const request = (await until(OP.REQUEST)).at(-1)!
  t.is(request.dstPort, 5201)
  const ports = { srcPort: 5201, dstPort: request.srcPort }
  driver.send({ op: OP.RESPONSE, ...ports })
  const [answer] = (await once(program, 'data')) as [Buffer]
  t.is(answer.toString(), `OK ${request.srcPort}\n`)
  program.end('question')
  const packets = await until(OP.SHUTDOWN)
  t.is(text(packets), 'question')
  t.is(packets.at(-1)!.flags, 2)
  driver.send({ op: OP.RW, ...ports }, Buffer.from('answer'))
  driver.send({ op: OP.SHUTDOWN, flags: 3, ...ports })
  t.is((await collect(program)).toString(), 'answer')
  t.deepEqual(
    (await until(OP.RST)).map(({ op }) => op),
    [OP.RST],
  )
  close()
})

test('a guest program reaches a host program, and megabytes survive a slow reader on either side', async (t) => {
  const { path, driver, until, close } = await world()
  const total = 3 * 2 ** 20
  const sent = Buffer.from(Uint8Array.from({ length: total }, (_, i) => (i * 31 + (i >> 9)) & 0xff))
  const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(`${path}_7`)
  await once(echo, 'listening')
  driver.send({ op: OP.REQUEST, dstPort: 7, bufAlloc: 10_000 })
  const response = (await until(OP.RESPONSE)).at(-1)!
  const received: Buffer[] = []
  let [at, room, count, ended] = [0, response.bufAlloc, 0, false]
  while (!ended) {
    const size = Math.min(room - at, 60_000, total - at)
    const fields = { dstPort: 7, bufAlloc: 10_000, fwdCnt: count }
    if (size > 0) driver.send({ op: OP.RW, ...fields }, sent.subarray(at, at + size))
    else driver.send({ op: OP.CREDIT_REQUEST, ...fields })
    at += Math.max(size, 0)
    if (size > 0 && at === total) driver.send({ op: OP.SHUTDOWN, flags: 2, ...fields })
    await turn()
    for (const { op, payload, fwdCnt, bufAlloc } of driver.takeAll()) {
      received.push(Buffer.from(payload))
      count += payload.length
      room = fwdCnt + bufAlloc
      ended ||= op === OP.SHUTDOWN
    }
  }
  t.true(Buffer.concat(received).equals(sent))
  t.false(driver.mmio.needsReset)
  echo.close()
  close()
})

test('a guest program that wants a port where nobody listens is told RST', async (t) => {
  const { driver, until, close } = await world()
  driver.send({ op: OP.REQUEST, dstPort: 9 })
  const [reset] = await until(OP.RST)
  t.is(reset!.srcPort, 9)
  close()
})

test('a guest that is reset lets go of the host programs', async (t) => {
  const { path, driver, until, close } = await world()
  const program = connect(path)
  program.on('error', () => {})
  program.write('CONNECT 1\n')
  await until(OP.REQUEST)
  driver.mmio.write('Status', 0)
  await once(program, 'close')
  t.is(program.bytesRead, 0)
  close()
})
