// The reads that began in a stretch of time, and what happened to them.

/** A read that was tried again, or took longer than this, noticed the fault. */
const DISTURBED_MS = 250;
const FAILURES_KEPT_MAX = 20;

/** One read that is over. */
export interface Sample {
  readonly source: string;
  readonly startedMs: number;
  readonly tookMs: number;
  readonly retries: number;
  /** What it failed of. */
  readonly problem: string | undefined;
}

export interface WindowReport {
  readonly reads: number;
  readonly failed: number;
  readonly spoilt: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  /**
   * From the beginning of the window to the end of the last read that noticed anything; 0: none
   * did.
   */
  readonly reroutedMs: number;
  /** By source, how many reads noticed, and the slowest of them. */
  readonly disturbed: string;
  readonly failures: readonly string[];
}

/** Made by `Reader.begin`; the next one that begins ends it. */
export class ReadWindow {
  readonly startedMs: number;
  readonly #samples: Sample[] = [];
  #spoilt = 0;

  constructor(startedMs: number) {
    this.startedMs = startedMs;
  }

  get elapsedMs(): number {
    return performance.now() - this.startedMs;
  }

  add(sample: Sample): void {
    this.#samples.push(sample);
  }

  /** A read whose time says nothing. */
  leaveOut(): void {
    this.#spoilt++;
  }

  /** So far; of these sources, or of all. */
  report(...sources: readonly string[]): WindowReport {
    const samples = this.#samples.filter(
      ({ source }) => sources.length === 0 || sources.includes(source),
    );
    const tookMs = samples.map((sample) => sample.tookMs).sort((left, right) => left - right);
    const quantileMs = (share: number): number => tookMs[Math.floor(tookMs.length * share)] ?? 0;
    const failures = samples.flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
    const disturbed = samples.filter(
      (sample) => sample.retries > 0 || sample.tookMs > DISTURBED_MS,
    );
    const lastMs = disturbed.reduce((ms, each) => Math.max(ms, each.startedMs + each.tookMs), 0);
    return {
      disturbed: disturbedBySource(disturbed),
      reads: samples.length,
      failed: failures.length,
      spoilt: this.#spoilt,
      p50Ms: quantileMs(0.5),
      p90Ms: quantileMs(0.9),
      p99Ms: quantileMs(0.99),
      reroutedMs: lastMs === 0 ? 0 : lastMs - this.startedMs,
      failures: failures.slice(0, FAILURES_KEPT_MAX),
    };
  }
}

function disturbedBySource(samples: readonly Sample[]): string {
  const sources = new Map<string, { count: number; retries: number; slowestMs: number }>();
  for (const { source, retries, tookMs } of samples) {
    const before = sources.get(source) ?? { count: 0, retries: 0, slowestMs: 0 };
    sources.set(source, {
      count: before.count + 1,
      retries: before.retries + retries,
      slowestMs: Math.max(before.slowestMs, tookMs),
    });
  }
  const each = [...sources].map(
    ([source, { count, retries, slowestMs }]) =>
      `${source}: ${count} reads, ${retries} retries, slowest ${Math.round(slowestMs)} ms`,
  );
  return each.join('; ') || 'none';
}
