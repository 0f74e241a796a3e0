// `stele cli --latency`, `--latency-history` and `--latency-dist`: how long PING takes, sampled a
// hundred times a second. They run until they are interrupted.

import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicNowMs } from '../../../base/clock.ts';
import type { Output } from '../../output.ts';
import type { CliSession } from '../repl-session.ts';

const SAMPLE_INTERVAL_MS = 10;
/** Off a terminal, one line after this time, then the end, as redis-cli does. */
const SUMMARY_MS = 1000;
/** Upper bounds of the columns of a distribution, in ms. The last column has no bound. */
const BOUNDS_MS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 500] as const;
const HEADER_EVERY_LINES = 20;

/**
 * `live`: one line that is updated; `history`: a new line every interval; `distribution`: columns.
 */
type LatencyForm = 'live' | 'history' | 'distribution';

export interface LatencyRun {
  readonly form: LatencyForm;
  /** Length of a line of a history or distribution. */
  readonly intervalMs: number;
}

/** Runs until the process is interrupted; `live` off a terminal ends after a second. */
export async function printLatency(
  session: CliSession,
  output: Output,
  { form, intervalMs }: LatencyRun,
): Promise<void> {
  const periodMs = form === 'live' ? (output.isTerminal ? Infinity : SUMMARY_MS) : intervalMs;
  for (let line = 0; ; line++) {
    if (form === 'distribution' && line % HEADER_EVERY_LINES === 0)
      output.line(distributionHeader());
    const samples = new Samples();
    const untilMs = monotonicNowMs() + periodMs;
    while (monotonicNowMs() < untilMs) {
      samples.add(await pingMs(session));
      // Rewrites the line in place.
      if (form !== 'distribution' && output.isTerminal) output.write(`\r${samples.text()}`);
      await sleep(SAMPLE_INTERVAL_MS);
    }
    if (form === 'distribution') output.line(samples.distribution());
    else if (output.isTerminal) output.line('');
    else output.line(samples.text());
    if (form === 'live') return;
  }
}

async function pingMs(session: CliSession): Promise<number> {
  if (!session.isConnected) await session.connect();
  const startMs = monotonicNowMs();
  await session.execute(['PING']);
  return monotonicNowMs() - startMs;
}

function distributionHeader(): string {
  const bounds = BOUNDS_MS.map((ms) => `<${ms} ms`);
  return [...bounds, `>=${BOUNDS_MS.at(-1)} ms`].map((text) => text.padStart(9)).join('');
}

/** Latencies in ms: least, most, mean, and how many in each column. */
class Samples {
  readonly #counts = Array.from({ length: BOUNDS_MS.length + 1 }, () => 0);
  #count = 0;
  #sumMs = 0;
  #minMs = Infinity;
  #maxMs = 0;

  add(ms: number): void {
    this.#count++;
    this.#sumMs += ms;
    this.#minMs = Math.min(this.#minMs, ms);
    this.#maxMs = Math.max(this.#maxMs, ms);
    const found = BOUNDS_MS.findIndex((bound) => ms < bound);
    const column = found < 0 ? BOUNDS_MS.length : found;
    this.#counts[column] = (this.#counts[column] ?? 0) + 1;
  }

  text(): string {
    const [min, max, mean] = [this.#minMs, this.#maxMs, this.#sumMs / this.#count].map((ms) =>
      ms.toFixed(2),
    );
    return `min: ${min} ms, max: ${max} ms, avg: ${mean} ms (${this.#count} samples)`;
  }

  /** The share of each column, in percent; a dot for none. */
  distribution(): string {
    const shares = this.#counts.map((count) =>
      count === 0 ? '.' : `${((100 * count) / this.#count).toFixed(1)}%`,
    );
    return shares.map((text) => text.padStart(9)).join('');
  }
}
