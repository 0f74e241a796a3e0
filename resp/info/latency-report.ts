// The texts of LATENCY DOCTOR and LATENCY GRAPH.

import { formatDuration } from '../../base/units.ts';
import type { LatencySeries } from '../commands/latency-events.ts';

/** What each kind of event means, and what helps. */
const ADVICE: Readonly<Record<string, string>> = {
  command:
    'One command kept the process busy. SLOWLOG GET shows which one: KEYS, SCAN with a large COUNT, commands with very many keys and those about the whole cluster are the usual ones.',
  'fast-command':
    'Short commands took long, so the process was stopped in the middle of them: by a garbage collection, by other processes on its cores, or by swapping. Compare /metrics, and give the process a core and enough memory.',
  'datanode-wait':
    'Commands waited for datanodes. `stele status` and `stele top` show datanodes that are slow or gone; LATENCY on these shows whether they were slow themselves.',
};

/** The text of LATENCY DOCTOR; `thresholdMs` 0: nothing is noted. */
export function latencyReport(
  thresholdMs: number,
  events: ReadonlyMap<string, LatencySeries>,
): string {
  const off =
    'The latency monitor is off. Start with --latency-monitor-threshold 10ms, or send CONFIG SET latency-monitor-threshold 10 (milliseconds), to note what takes longer.\n';
  if (events.size === 0) {
    return thresholdMs === 0
      ? off
      : `Nothing has taken ${thresholdMs} ms or more. LATENCY HISTOGRAM shows how long commands take.\n`;
  }
  const parts = [...events].map(([name, series], index) => eventText(index + 1, name, series));
  return `${parts.join('\n')}${thresholdMs === 0 ? `\n${off}` : ''}`;
}

function eventText(number: number, name: string, { samples, worstMs }: LatencySeries): string {
  const times = samples.map(({ milliseconds }) => milliseconds);
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  const seconds = (samples.at(-1)?.unixSeconds ?? 0) - (samples[0]?.unixSeconds ?? 0);
  const period =
    times.length > 1 ? `, one every ${formatDuration((seconds * 1000) / (times.length - 1))}` : '';
  const spikes = times.length === 1 ? '1 spike' : `${times.length} spikes`;
  return `${number}. ${name}: ${spikes} (${Math.round(mean)} ms on average${period}), the longest ever ${worstMs} ms.\n   ${ADVICE[name] ?? ''}\n`;
}

const ROWS = 4;
const COLUMNS_MAX = 80;

/**
 * The text of LATENCY GRAPH: a column for each of the latest samples, the oldest first, with its
 * age below, read from top to bottom.
 */
export function latencyGraph(name: string, series: LatencySeries, nowSeconds: number): string {
  const samples = series.samples.slice(-COLUMNS_MAX);
  const times = samples.map(({ milliseconds }) => milliseconds);
  const [high, low] = [Math.max(...times), Math.min(...times)];
  const heights = times.map((time) => (high === low ? 1 : (time - low) / (high - low)) * ROWS);
  const rows = Array.from({ length: ROWS }, (_, row) =>
    heights.map((height) => mark(height - (ROWS - 1 - row))).join(''),
  );
  const ages = samples.map(({ unixSeconds }) => age(nowSeconds - unixSeconds));
  const depth = Math.max(...ages.map(({ length }) => length));
  const labels = Array.from({ length: depth }, (_, row) =>
    ages.map((text) => text[row] ?? ' ').join(''),
  );
  const title = `${name} - high ${high} ms, low ${low} ms (all time high ${series.worstMs} ms)`;
  const lines = [title, '-'.repeat(COLUMNS_MAX), ...rows, '', ...labels];
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

/** A cell of a column of which `height` rows are left: full, its top, or empty. */
function mark(height: number): string {
  if (height > 1) return '|';
  if (height > 0.5) return '#';
  return height > 0 ? '_' : ' ';
}

function age(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m`;
  return whole < 86_400 ? `${Math.floor(whole / 3600)}h` : `${Math.floor(whole / 86_400)}d`;
}
