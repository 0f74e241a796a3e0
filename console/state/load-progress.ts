// How far a running load is: by its stages, and as one job.

import type { Load } from '../api/shapes.ts';
import type { Job } from './progress.ts';

const STAGES = ['parse', 'build', 'commit'] as const;

export interface StageProgress {
  readonly stage: (typeof STAGES)[number];
  readonly is: 'done' | 'now' | 'to come';
  /** 0 to 1. */
  readonly share: number;
}

/** The stages of a running load, in their order. */
export function stagesOf(load: Load): StageProgress[] {
  const present = STAGES.findIndex((stage) => stage === load.stage);
  return STAGES.map((stage, at) => {
    if (at < present) return { stage, is: 'done', share: 1 };
    if (at > present) return { stage, is: 'to come', share: 0 };
    return { stage, is: 'now', share: shareOf(stage, load) };
  });
}

function shareOf(stage: StageProgress['stage'], load: Load): number {
  const { bytes_done, bytes_total, shards_done, shards_total } = load;
  if (stage === 'parse') return ratio(bytes_done, bytes_total);
  return stage === 'build' ? ratio(shards_done, shards_total) : 0;
}

function ratio(done: number, total: number): number {
  return total > 0 ? Math.min(1, done / total) : 0;
}

/** Bytes a second since the start; null if there are none yet. */
export function bytesPerSecond(
  { bytes_done: done, started_at: at }: Load,
  nowMs: number,
): number | null {
  const seconds = (nowMs - Date.parse(at)) / 1000;
  return seconds > 0 && done > 0 ? done / seconds : null;
}

/** The loads that run, as jobs. */
export function loadJobs(loads: readonly Load[], nowMs: number): Job[] {
  return loads
    .filter(({ state }) => state === 'RUNNING')
    .map((load) => {
      const now = stagesOf(load).find(({ is }) => is === 'now');
      const share = now?.share ?? 0;
      const seconds = (nowMs - Date.parse(load.started_at)) / 1000;
      const isParsing = now?.stage === 'parse' && share > 0.02;
      return {
        id: `load ${load.id}`,
        title: `Load of ${load.keyspace}${load.stage === null ? '' : `: ${load.stage}`}`,
        left: 0,
        unit: 'percent',
        percent: now?.stage === 'parse' || now?.stage === 'build' ? 100 * share : null,
        perSecond: null,
        secondsLeft: isParsing && seconds > 0 ? (seconds / share) * (1 - share) : null,
      };
    });
}
