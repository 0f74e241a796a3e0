// How far repairs, drains and starts are, from what is left at each look: percent, rate, time left.

import type { Health } from '../api/shapes.ts';

/** One thing that is being done. */
export interface Job {
  readonly id: string;
  readonly title: string;
  /** What is counted, in words. */
  readonly left: number;
  readonly unit: string;
  /** 0 to 100, of the most that was left since the page has watched it; null if nobody knows. */
  readonly percent: number | null;
  /** Null until it is known. */
  readonly perSecond: number | null;
  readonly secondsLeft: number | null;
}

interface Watched {
  most: number;
  /** Of the last `WINDOW_MS`, oldest first. */
  looks: { readonly atMs: number; readonly left: number }[];
}

interface Left {
  readonly id: string;
  readonly title: string;
  readonly left: number;
  readonly unit: string;
  /** Known without watching. */
  readonly of?: number;
}

const WINDOW_MS = 30_000;

/** Watches the jobs of a cluster. Knows only what it was shown. */
export class ProgressWatch {
  #watched = new Map<string, Watched>();

  /** The jobs of this moment. `health` is a new answer; its time must not go back. */
  look(health: Health, atMs: number): Job[] {
    const all = jobsLeft(health);
    const watched = new Map<string, Watched>();
    const jobs = all.map((job) => {
      const one = this.#watched.get(job.id) ?? { most: 0, looks: [] };
      one.most = Math.max(one.most, job.of ?? job.left);
      one.looks = one.looks.filter((look) => look.atMs > atMs - WINDOW_MS);
      one.looks.push({ atMs, left: job.left });
      watched.set(job.id, one);
      return jobOf(job, one);
    });
    this.#watched = watched;
    return jobs;
  }
}

function jobOf({ id, left, title, unit }: Left, { looks, most }: Watched): Job {
  const first = looks[0];
  const last = looks.at(-1);
  const seconds = ((last?.atMs ?? 0) - (first?.atMs ?? 0)) / 1000;
  const done = (first?.left ?? 0) - left;
  const perSecond = seconds > 0 && done > 0 ? done / seconds : null;
  return {
    id,
    title,
    left,
    unit,
    percent: most === 0 ? 0 : Math.max(0, Math.min(100, (100 * (most - left)) / most)),
    perSecond,
    secondsLeft: perSecond === null ? null : left / perSecond,
  };
}

function jobsLeft({ copies, nodes, shards }: Health): Left[] {
  const jobs: Left[] = [];
  const missing = shards.under_replicated ?? 0;
  if (missing > 0) {
    const running = copies?.running ?? 0;
    const title = running > 0 ? 'Repair: copying what lost a copy' : 'Repair: waiting to begin';
    jobs.push({ id: 'repair', title, left: missing, unit: 'shards' });
  }
  for (const { drain_left: left, id, progress, state, warming } of nodes) {
    if (warming !== null) {
      const title = `Start of ${id}: reading into memory what it serves from disk`;
      const { segments_done: done, segments_total: of } = warming;
      jobs.push({ id: `warming ${id}`, title, left: of - done, unit: 'segments', of });
    }
    if (state === 'DRAINING' && left !== null && left > 0) {
      jobs.push({ id: `drain ${id}`, title: `Drain of ${id}`, left, unit: 'copies' });
    }
    if (state === 'INITIALIZING' && progress !== null) {
      const title = `Start of ${id}: reading and checking its disk`;
      const percent = Math.round(100 * (1 - progress));
      jobs.push({ id: `start ${id}`, title, left: percent, unit: 'percent', of: 100 });
    }
  }
  return jobs;
}
