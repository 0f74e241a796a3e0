// How long Node.js keeps this process from its work: the delay of the event loop, and the pauses of
// the garbage collector. All counts only grow, so any number of collectors may read them.
//
// The delay is that of a timer that is due every 20 ms, which is what an arriving request would
// have waited at that moment.

import { PerformanceObserver, constants } from 'node:perf_hooks';
import { monotonicNowMs } from '../clock.ts';
import { LatencyHistogram } from './latency.ts';

const SAMPLE_MS = 20;
const KINDS: ReadonlyMap<number, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
]);

export interface RuntimeTimes {
  readonly loopDelay: LatencyHistogram;
  /** Pauses by kind of collection. */
  readonly pauses: ReadonlyMap<string, LatencyHistogram>;
}

/** An entry of a performance observer of `gc`. */
interface Collection {
  readonly detail: { readonly kind: number };
  readonly duration: number;
}

let measured: RuntimeTimes | undefined;

/** The times of this process since the first call. Keeps no process alive. */
export function runtimeTimes(): RuntimeTimes {
  measured ??= { loopDelay: sampledLoopDelay(), pauses: observedPauses() };
  return measured;
}

function sampledLoopDelay(): LatencyHistogram {
  const delays = new LatencyHistogram();
  let sampledMs = monotonicNowMs();
  setInterval(() => {
    const nowMs = monotonicNowMs();
    delays.record(Math.max(0, nowMs - sampledMs - SAMPLE_MS));
    sampledMs = nowMs;
  }, SAMPLE_MS).unref();
  return delays;
}

function observedPauses(): ReadonlyMap<string, LatencyHistogram> {
  const pauses = new Map([...KINDS.values()].map((kind) => [kind, new LatencyHistogram()]));
  const observer = new PerformanceObserver((list) => {
    // The type of entries leaves out what those of Node.js have.
    for (const { detail, duration } of list.getEntries() as unknown as readonly Collection[]) {
      pauses.get(KINDS.get(detail.kind) ?? '')?.record(duration);
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  return pauses;
}
