/**
 * A real headless Chromium, spoken to in its own protocol over a pair of pipes (Chrome DevTools Protocol,
 * --remote-debugging-pipe): one JSON message after another, each ended by a zero byte. It gets no network.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'

type Answer = Record<string, never> & { readonly [key: string]: unknown }
export interface BrowserEvent {
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
}

const CANDIDATES = ['chromium', 'chromium-browser', 'google-chrome']

/** The command of the browser that is installed here. */
export const findChromium = (): string | undefined =>
  CANDIDATES.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore', timeout: 20_000 }).status === 0)

export class Chromium {
  readonly events: BrowserEvent[] = []
  readonly #process: ChildProcess
  readonly #profile = mkdtempSync(join(tmpdir(), 'cloister-chromium-'))
  readonly #waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>()
  readonly #listeners = new Set<(event: BrowserEvent) => void>()
  #session: string | undefined
  #next = 1
  #rest = ''

  /** @param more flags, such as the folder for downloads */
  constructor(command: string) {
    const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-pipe']
    // Names resolve to nothing: whatever a page asks for by name, it does not get.
    const quiet = ['--host-resolver-rules=MAP * ~NOTFOUND', '--no-first-run', '--disable-background-networking']
    this.#process = spawn(command, [...flags, ...quiet, `--user-data-dir=${this.#profile}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      // It leaves the directory of its single-instance lock behind.
      env: { ...process.env, TMPDIR: this.#profile },
      detached: true,
    })
    const answers = this.#process.stdio[4] as Readable
    answers.setEncoding('utf8').on('data', (text: string) => this.#receive(text))
    this.#process.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the browser has ended'))
    })
    // It may be gone when it is told to go.
    for (const stream of this.#process.stdio) stream?.on('error', () => {})
  }

  /** A page of its own, on which every later `send` acts. */
  async open(url: string, enable: readonly string[] = ['Page', 'Runtime', 'Log', 'Network']): Promise<void> {
    this.#session = undefined
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true })
    this.#session = sessionId as unknown as string
    for (const domain of enable) await this.send(`${domain}.enable`)
    const loaded = this.once('Page.loadEventFired')
    await this.send('Page.navigate', { url })
    await loaded
  }

  /** The value of an expression, awaited. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = (await this.send('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
      userGesture: true,
    })) as unknown as { result: { value: T }; exceptionDetails?: { exception?: { description?: string } } }
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? 'the expression threw')
    return result.value
  }

  async emulate(width: number, height: number, scheme: 'light' | 'dark', media = 'screen'): Promise<void> {
    await this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false })
    const features = [{ name: 'prefers-color-scheme', value: scheme }]
    await this.send('Emulation.setEmulatedMedia', { media, features })
  }

  /** PNG of a part of the page, or of all of it. */
  async screenshot(clip?: { x: number; y: number; width: number; height: number }): Promise<Buffer> {
    const { data } = await this.send('Page.captureScreenshot', {
      captureBeyondViewport: true,
      ...(clip ? { clip: { ...clip, scale: 1 } } : {}),
    })
    return Buffer.from(data as unknown as string, 'base64')
  }

  send(method: string, params: object = {}): Promise<Answer> {
    const id = this.#next++
    const sessionId = this.#session === undefined ? {} : { sessionId: this.#session }
    const pipe = this.#process.stdio[3] as Writable
    pipe.write(`${JSON.stringify({ id, method, params, ...sessionId })}\0`)
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
  }

  once(method: string): Promise<BrowserEvent> {
    return new Promise((resolve) => {
      const listener = (event: BrowserEvent) => {
        if (event.method !== method) return
        this.#listeners.delete(listener)
        resolve(event)
      }
      this.#listeners.add(listener)
    })
  }

  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.#process.once('exit', resolve))
    try {
      process.kill(-this.#process.pid!, 'SIGKILL')
      await gone
    } catch {
      // It had ended before.
    }
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }

  #receive(text: string): void {
    const messages = (this.#rest + text).split('\0')
    this.#rest = messages.pop()!
    for (const message of messages) {
      const { id, result, error, ...event } = JSON.parse(message)
      if (id === undefined) {
        this.events.push(event)
        for (const listener of [...this.#listeners]) listener(event)
        continue
      }
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error) waiting?.reject(new Error(error.message))
      else waiting?.resolve(result)
    }
  }
}
