// Shows the progress of a load on stderr.
//
//   on a terminal   one line, redrawn in place at most ten times a second:
//     reading  [############--------]  61%  610,000 rows  512,000 rows/s  54.2 MB/s  0 rejected  1.0 s left
//   elsewhere       the same without the bar, as a line every five seconds
//
// The clock is an argument.

import type { Clock } from '../../base/clock.ts';
import { formatDuration } from '../../base/units.ts';
import type { LoadProgress } from '../../loader/stages/progress.ts';
import type { Output } from '../output.ts';
import { formatCount } from '../text-table.ts';

const REDRAW_MS = 100;
const LINE_EVERY_MS = 5000;
const BAR_CHARACTERS = 20;
const OWNERS_SHOWN_MAX = 6;
const CLEAR_LINE = '\r\u001B[K';

/** Draws progress as it comes; `finish` removes the bar. */
export class ProgressDisplay<Progress> {
  readonly #output: Output;
  readonly #now: Clock;
  readonly #format: (progress: Progress, bar: boolean) => string;
  #shownAtMs: number | undefined;
  #drawn = false;

  /** `format`: one line, with or without a bar. */
  constructor(output: Output, now: Clock, format: (progress: Progress, bar: boolean) => string) {
    this.#output = output;
    this.#now = now;
    this.#format = format;
  }

  /** Shows `progress`, unless the last update was a moment ago. */
  update(progress: Progress): void {
    const bar = this.#output.errorIsTerminal;
    const nowMs = this.#now();
    // Without a terminal, a short load shows nothing: the first line comes after one interval.
    this.#shownAtMs ??= bar ? Number.NEGATIVE_INFINITY : nowMs;
    if (nowMs - this.#shownAtMs < (bar ? REDRAW_MS : LINE_EVERY_MS)) return;
    this.#shownAtMs = nowMs;
    const text = this.#format(progress, bar);
    if (bar) this.#output.errorWrite(CLEAR_LINE + text.slice(0, this.#output.columns() - 1));
    else this.#output.errorLine(text);
    this.#drawn = bar;
  }

  /** Writes a line above the bar. */
  note(text: string): void {
    this.finish();
    this.#output.errorLine(text);
  }

  /** Removes the bar. */
  finish(): void {
    if (this.#drawn) this.#output.errorWrite(CLEAR_LINE);
    this.#drawn = false;
  }
}

const STAGE_WORDS = {
  unpack: 'unpacking',
  compare: 'comparing',
  parse: 'reading',
  build: 'building',
  commit: 'committing',
} as const;

/** One line about `progress`, with or without a bar. */
export function formatProgress(progress: LoadProgress, bar: boolean): string {
  const share = stageShare(progress);
  const parts: string[] = [STAGE_WORDS[progress.stage]];
  if (share !== undefined) {
    if (bar) parts.push(drawBar(share));
    parts.push(`${Math.floor(share * 100)}%`.padStart(4));
  }
  if (!hasRows(progress)) return [...parts, `${progress.mbPerSecond} MB/s`].join('  ');
  // Directly after the bar, because a narrow terminal cuts the line off.
  if (progress.awaited.length > 0) parts.push(`waiting for ${progress.awaited.join(', ')}`);
  parts.push(`${formatCount(progress.rows)} rows`);
  // Only reading has a rate in rows; later stages proceed by shards.
  if (progress.stage === 'parse') {
    parts.push(`${formatCount(progress.rowsPerSecond)} rows/s`, `${progress.mbPerSecond} MB/s`);
  }
  parts.push(`${formatCount(progress.rejected)} rejected`);
  if (progress.stage === 'build') parts.push(...formatOwners(progress));
  if (progress.etaMs !== undefined) parts.push(`${formatDuration(progress.etaMs)} left`);
  return parts.join('  ');
}

/** Unpacking and comparing count only bytes. */
function hasRows({ stage }: LoadProgress): boolean {
  return stage !== 'unpack' && stage !== 'compare';
}

/** What each owner has acknowledged, or only the least and the most if there are many. */
function formatOwners({ acknowledged }: LoadProgress): string[] {
  if (acknowledged.length === 0) return [];
  if (acknowledged.length <= OWNERS_SHOWN_MAX) {
    const each = acknowledged.map(([id, segments]) => `${id} ${formatCount(segments)}`);
    return [`acknowledged ${each.join(', ')}`];
  }
  const counts = acknowledged.map(([, segments]) => segments);
  const range = `${formatCount(Math.min(...counts))} to ${formatCount(Math.max(...counts))}`;
  return [`acknowledged ${range} by each of ${acknowledged.length} datanodes`];
}

/** The completed part of the current stage, 0 to 1; undefined if the end is unknown. */
function stageShare(progress: LoadProgress): number | undefined {
  const reading = progress.stage === 'parse' || !hasRows(progress);
  const done = reading ? progress.bytesDone : progress.shardsDone;
  const total = reading ? progress.bytesTotal : progress.shardsTotal;
  return total > 0 ? Math.min(1, done / total) : undefined;
}

export function drawBar(share: number): string {
  const full = Math.floor(share * BAR_CHARACTERS);
  return `[${'#'.repeat(full)}${'-'.repeat(BAR_CHARACTERS - full)}]`;
}
