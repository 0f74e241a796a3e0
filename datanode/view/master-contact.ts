// When this node last knew that it goes by the master's present view, and whether it still serves if it does not.
//
//   heartbeat names the view in force    -> current
//   heartbeat names another one          -> behind: at once for what "not found" may be said of
//   current for more than 5 s ago        -> stale: because the master is silent, or because its view is not taken
//
// A datanode that is stale goes on answering by the view in force. That view may have been replaced
// meanwhile: the node says so, and it stops answering where a bound is set for that
// (--serve-without-master-max). A node that has just started asks its master first, for some seconds at most.

import { SteleError } from '../../base/errors.ts';
import { formatDuration } from '../../base/units.ts';

/** Masters ask twice a second; a restart of one takes a few seconds. */
const STALE_MS = 5000;

export class MasterContact {
  readonly #serveMaxMs: number;
  #heardAtMs: number | undefined;
  /** When the view in force was last known to be the master's present one. */
  #currentAtMs: number | undefined;
  /** Of an earlier run, as a time of this run's clock: at or below its start. */
  #currentBeforeAtMs: number | undefined;
  #isBehind = false;
  #asksUntilMs = Number.NEGATIVE_INFINITY;

  /** `serveMaxMs`: how long this node answers by a view that may have been replaced; 0: without a bound. */
  constructor(serveMaxMs: number) {
    this.#serveMaxMs = serveMaxMs;
  }

  /** The master was heard at `nowMs`, on the monotonic clock; `isCurrent`: the view in force is its present one. */
  heard(nowMs: number, isCurrent: boolean): void {
    this.#heardAtMs = nowMs;
    this.#isBehind = !isCurrent;
    if (isCurrent) this.#currentAtMs = nowMs;
  }

  /** The view of an earlier run was the master's present one `agoMs` before `nowMs`. */
  currentBefore(agoMs: number, nowMs: number): void {
    this.#currentBeforeAtMs = nowMs - Math.max(0, agoMs);
  }

  /** Nothing is served by the view of an earlier run until the master is heard, fails to answer, or takes too long. */
  askFirst(nowMs: number): void {
    this.#asksUntilMs = nowMs + STALE_MS;
  }

  /** The master was asked and does not answer. */
  noAnswer(): void {
    this.#asksUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** When this run of the node heard the master last; undefined: never. */
  get heardAtMs(): number | undefined {
    return this.#heardAtMs;
  }

  /** For how long the view in force may have been replaced; 0 where no run of this node has ever had one. */
  viewAgeMs(nowMs: number): number {
    return since(this.#currentAtMs ?? this.#currentBeforeAtMs, nowMs);
  }

  /** Whether the view in force may have been replaced for longer than a restart of the master takes. */
  isStale(nowMs: number): boolean {
    return this.#currentAtMs === undefined || this.viewAgeMs(nowMs) > STALE_MS;
  }

  /** Whether the view in force has been replaced for so long, and the master is heard: this node must not be asked. */
  isOutdated(nowMs: number): boolean {
    return this.isStale(nowMs) && this.#isHeard(nowMs);
  }

  /** Why what the view does not name may be there all the same, for people; undefined: it is not there. */
  unsure(nowMs: number): string | undefined {
    if (!this.#isBehind && !this.isStale(nowMs)) return undefined;
    return this.#isHeard(nowMs)
      ? "it has not taken its master's present view"
      : `it has not heard its master for ${formatDuration(this.#silentMs(nowMs))}`;
  }

  /** Why the view in force is stale, for people; undefined: it is not. */
  staleReason(nowMs: number): string | undefined {
    if (!this.isStale(nowMs)) return undefined;
    return this.#isHeard(nowMs)
      ? `the master is heard, but its view has not been taken for ${formatDuration(this.viewAgeMs(nowMs))}`
      : `the master has been silent for ${formatDuration(this.#silentMs(nowMs))}`;
  }

  /** Why this node must not answer reads at present; undefined: it may. */
  refusal(nowMs: number): SteleError | undefined {
    if (this.#currentAtMs === undefined && nowMs < this.#asksUntilMs) {
      const text = 'This datanode has just started and asks its master for the present view.';
      return new SteleError('UNAVAILABLE', text);
    }
    const ageMs = this.viewAgeMs(nowMs);
    if (this.#serveMaxMs === 0 || ageMs <= this.#serveMaxMs) return undefined;
    const max = formatDuration(this.#serveMaxMs);
    const reason = this.#isHeard(nowMs)
      ? `has not taken its master's view for ${formatDuration(ageMs)} and serves at most ${max} by an older one`
      : `has not heard its master for ${formatDuration(this.#silentMs(nowMs))} and serves at most ${max} without one`;
    const text = `This datanode ${reason} (--serve-without-master-max).`;
    return new SteleError('UNAVAILABLE', text);
  }

  #isHeard(nowMs: number): boolean {
    return this.#heardAtMs !== undefined && nowMs - this.#heardAtMs <= STALE_MS;
  }

  #silentMs(nowMs: number): number {
    return since(this.#heardAtMs ?? this.#currentBeforeAtMs, nowMs);
  }
}

function since(atMs: number | undefined, nowMs: number): number {
  return atMs === undefined ? 0 : Math.max(0, nowMs - atMs);
}
