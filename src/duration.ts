/** Durations in sentences. */

/** `2 s`, `1.5 s`, `500 ms`. */
export function formatDurationMs(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${Number((ms / 1000).toFixed(3))} s`
}
