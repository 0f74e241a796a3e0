// The metrics of a process of any role: what runs, and what it costs the machine. Those that other
// programs have as well have their names (`process_...`, `nodejs_...`).

import { readdir } from 'node:fs/promises';
import { lostLogLines } from '../log-sink.ts';
import { STELE_VERSION } from './build-version.ts';
import { openFilesMax } from './descriptors.ts';
import type { Series } from './exposition.ts';
import { coarseBoundsMs } from './latency.ts';
import type { MetricSet } from './metrics.ts';
import { runtimeTimes } from './runtime-times.ts';

const MICROSECONDS = 1e6;
const startedSeconds = Date.now() / 1000 - process.uptime();

interface ProcessParts {
  readonly role: 'master' | 'query' | 'datanode';
  /** Exceptions that were caught and logged, by the part that threw. */
  readonly faults: () => ReadonlyMap<string, number>;
}

/** Adds the metrics to `set`. */
export function defineProcessMetrics(set: MetricSet, { faults, role }: ProcessParts): void {
  const build = { version: STELE_VERSION, node_version: process.version, role };
  set.series('stele_build_info', '1; the labels say what runs', () => [[build, 1]]);
  set.value('stele_log_lines_lost_total', 'Log lines that could not be written', lostLogLines);
  set.series(
    'stele_faults_total',
    'Exceptions that were caught and logged, by the part that threw; the rest went on',
    () => [...faults()].map(([part, count]) => [{ part }, count]),
  );
  set.value(
    'process_start_time_seconds',
    'When the process was started, in seconds since 1970',
    () => startedSeconds,
  );
  defineUse(set);
  defineRuntime(set);
}

function defineUse(set: MetricSet): void {
  const cpuSeconds = (kind: 'user' | 'system'): number => process.cpuUsage()[kind] / MICROSECONDS;
  set.value(
    'process_cpu_seconds_total',
    'CPU time of all threads',
    () => cpuSeconds('user') + cpuSeconds('system'),
  );
  set.value('process_cpu_user_seconds_total', 'The part of it in the program', () =>
    cpuSeconds('user'),
  );
  set.value('process_cpu_system_seconds_total', 'The part of it in the system', () =>
    cpuSeconds('system'),
  );
  set.value('process_resident_memory_bytes', 'Memory in use, segments included', () =>
    process.memoryUsage.rss(),
  );
  set.series('process_open_fds', 'Open file descriptors', openDescriptors);
  set.series('process_max_fds', 'Limit of open file descriptors', () => {
    const limit = openFilesMax();
    return Number.isFinite(limit) ? [[{}, limit]] : [];
  });
}

function defineRuntime(set: MetricSet): void {
  const memory = (name: string, help: string, kind: 'heapTotal' | 'heapUsed' | 'external'): void =>
    set.value(name, help, () => process.memoryUsage()[kind]);
  memory('nodejs_heap_size_total_bytes', "Size of the main thread's heap", 'heapTotal');
  memory('nodejs_heap_size_used_bytes', 'The part of it in use', 'heapUsed');
  memory('nodejs_external_memory_bytes', 'Memory of buffers outside the heap', 'external');
  set.value(
    'nodejs_eventloop_active_seconds_total',
    'Time in which the event loop was at work; a rate of 1 is a saturated process',
    () => performance.eventLoopUtilization().active / 1000,
  );
  const { loopDelay, pauses } = runtimeTimes();
  set.times(
    'nodejs_eventloop_delay_seconds',
    'Delay of the event loop, sampled every 20 ms: what a request waits before it is looked at',
    coarseBoundsMs,
    () => [[{}, loopDelay]],
  );
  set.times(
    'nodejs_gc_duration_seconds',
    'Pauses of the garbage collector, by kind of collection',
    coarseBoundsMs,
    () => [...pauses].map(([kind, times]) => [{ kind }, times]),
  );
}

/** None where the system does not list them. */
async function openDescriptors(): Promise<Series[]> {
  try {
    // The one that lists them is not counted.
    return [[{}, (await readdir('/proc/self/fd')).length - 1]];
  } catch {
    return [];
  }
}
