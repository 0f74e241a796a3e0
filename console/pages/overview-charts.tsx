// The numbers of the last minutes.

import { useMemo } from 'preact/hooks';
import { bytes, latency, percent, plural, rate } from '../format/numbers.ts';
import { Chart } from '../parts/chart.tsx';
import { health, stats } from '../state/answers.ts';
import { sumOf } from '../state/rates.ts';
import type { Sample } from '../state/rates.ts';
import { samples } from '../state/samples.ts';

interface ChartSpec {
  readonly title: string;
  /** Label of each line, and what it shows. */
  readonly lines: Readonly<Record<string, Exclude<keyof Sample, 'atMs'>>>;
  readonly format: (value: number) => string;
  readonly isBinary?: boolean;
  /** The last sample, in words. */
  readonly now: (last: Sample | undefined) => string;
}

const CHARTS: readonly ChartSpec[] = [
  {
    title: 'Reads',
    lines: { reads: 'readsPerSecond', failed: 'failedPerSecond' },
    format: rate,
    now: (last) => {
      const failed = last?.failedPerSecond ?? 0;
      return `${rate(last?.readsPerSecond)}/s${failed > 0 ? `, ${rate(failed)}/s failed` : ''}`;
    },
  },
  {
    title: 'Latency',
    lines: { p50: 'p50Ms', p99: 'p99Ms' },
    format: latency,
    now: (last) => `p50 ${latency(last?.p50Ms)}, p99 ${latency(last?.p99Ms)}`,
  },
  {
    title: 'Lookups on datanodes',
    lines: { lookups: 'lookupsPerSecond' },
    format: rate,
    now: (last) => `${rate(last?.lookupsPerSecond)}/s`,
  },
  {
    title: 'Bytes in and out',
    lines: { in: 'bytesInPerSecond', out: 'bytesOutPerSecond' },
    format: bytes,
    isBinary: true,
    now: (last) => `in ${bytes(last?.bytesInPerSecond)}/s, out ${bytes(last?.bytesOutPerSecond)}/s`,
  },
  {
    title: 'Cache hits',
    lines: { 'hit ratio': 'hitRatio' },
    format: percent,
    now: (last) => percent(last?.hitRatio),
  },
];

/** Small charts of the samples that the page has collected. */
export function OverviewCharts() {
  const taken = samples.value;
  const times = useMemo(
    () => taken.map(({ atMs }) => (performance.timeOrigin + atMs) / 1000),
    [taken],
  );
  const last = taken.at(-1);
  const limit = sumOf(health.answer.value, (node) => node.memory_limit_bytes);
  const { role, traffic = [] } = stats.answer.value ?? {};
  const clients = traffic.reduce((sum, { connections }) => sum + connections, 0);
  return (
    <section aria-label="The last minutes">
      <h2>The last minutes</h2>
      <p class="hint">
        Reads, latency, bytes and cache hits are those of this{' '}
        {role === 'query' ? 'query node' : 'master'} ({plural(clients, 'connection')}); lookups and
        memory are those of all datanodes, also for clients that read from them directly.
      </p>
      <div class="tiles">
        {CHARTS.map(({ format, isBinary = false, lines, now, title }) => (
          <Chart
            key={title}
            title={title}
            now={now(last)}
            times={times}
            lines={Object.entries(lines).map(([label, name]) => ({
              label,
              values: taken.map((sample) => sample[name]),
            }))}
            format={format}
            isBinary={isBinary}
          />
        ))}
        <Chart
          title="Memory of datanodes"
          now={`${bytes(last?.memoryBytes)} of ${bytes(limit)}`}
          times={times}
          lines={[{ label: 'memory', values: taken.map(({ memoryBytes }) => memoryBytes) }]}
          format={bytes}
          isBinary
          limit={limit}
        />
      </div>
    </section>
  );
}
