// When this node last knew that its view is the master's current one, and whether it may serve
// reads if that is long ago.
//
//   heartbeat names the view in force    -> current
//   heartbeat names another one          -> outdated: from now on "not found" is uncertain
//   current for more than 5 s ago        -> stale: the master is silent, or its view is not accepted
//
// A stale datanode continues to answer by the view in force, which may have been replaced. It says
// so, and it stops answering if a limit is set (--serve-without-master-max). A node that has just
// started first waits for its master, for a few seconds at most.

import { SteleError } from '../../base/errors.ts';
import { formatDuration } from '../../base/units.ts';

/** Masters send heartbeats twice a second; a restart of one takes a few seconds. */
const STALE_MS = 5000;

export class MasterContact {
  readonly #serveMaxMs: number;
  #heardAtMs: number | undefined;
  /** When the view in force was last known to be the master's current one. */
  #currentAtMs: number | undefined;
  /**
   * The same for the view of an earlier process, on this process's clock: at or before its start.
   */
  #currentBeforeAtMs: number | undefined;
  #isReplaced = false;
  #asksUntilMs = Number.NEGATIVE_INFINITY;

  /**
   * `serveMaxMs` limits how long this node answers by a view that may have been replaced; 0: no
   * limit.
   */
  constructor(serveMaxMs: number) {
    this.#serveMaxMs = serveMaxMs;
  }

  /**
   * The master was heard at `nowMs`, on the monotonic clock. `isCurrent`: the view in force is its
   * current one.
   */
  heard(nowMs: number, isCurrent: boolean): void {
    this.#heardAtMs = nowMs;
    this.#isReplaced = !isCurrent;
    if (isCurrent) this.#currentAtMs = nowMs;
  }

  /** The view of an earlier process was current `agoMs` before `nowMs`. */
  currentBefore(agoMs: number, nowMs: number): void {
    this.#currentBeforeAtMs = nowMs - Math.max(0, agoMs);
  }

  /**
   * Serves nothing by the view of an earlier process until the master is heard, fails to answer, or
   * takes too long.
   */
  askFirst(nowMs: number): void {
    this.#asksUntilMs = nowMs + STALE_MS;
  }

  /** The master was asked and did not answer. */
  noAnswer(): void {
    this.#asksUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** When this process last heard the master; undefined if never. */
  get heardAtMs(): number | undefined {
    return this.#heardAtMs;
  }

  /**
   * How long the view in force may have been outdated, in ms; 0 if no process of this node ever had
   * a current one.
   */
  viewAgeMs(nowMs: number): number {
    return since(this.#currentAtMs ?? this.#currentBeforeAtMs, nowMs);
  }

  /** Whether the view may have been outdated for longer than a restart of the master takes. */
  isStale(nowMs: number): boolean {
    return this.#currentAtMs === undefined || this.viewAgeMs(nowMs) > STALE_MS;
  }

  /** Whether the view is stale although the master is heard: this node must not be asked. */
  isOutdated(nowMs: number): boolean {
    return this.isStale(nowMs) && this.#isHeard(nowMs);
  }

  /**
   * Why something that the view does not name may exist all the same, for people; undefined if it
   * does not exist.
   */
  unsure(nowMs: number): string | undefined {
    if (!this.#isReplaced && !this.isStale(nowMs)) return undefined;
    return this.#isHeard(nowMs)
      ? "it has not accepted its master's current view"
      : `it has not heard its master for ${formatDuration(this.#silentMs(nowMs))}`;
  }

  /** Why the view in force is stale, for people; undefined if it is not. */
  staleReason(nowMs: number): string | undefined {
    if (!this.isStale(nowMs)) return undefined;
    return this.#isHeard(nowMs)
      ? `the master is heard, but its view has not been accepted for ${formatDuration(this.viewAgeMs(nowMs))}`
      : `the master has been silent for ${formatDuration(this.#silentMs(nowMs))}`;
  }

  /** Why this node must not answer reads now; undefined if it may. */
  refusal(nowMs: number): SteleError | undefined {
    if (this.#currentAtMs === undefined && nowMs < this.#asksUntilMs) {
      const text = 'This datanode has just started and is asking its master for the current view.';
      return new SteleError('UNAVAILABLE', text);
    }
    const ageMs = this.viewAgeMs(nowMs);
    if (this.#serveMaxMs === 0 || ageMs <= this.#serveMaxMs) return undefined;
    const max = formatDuration(this.#serveMaxMs);
    const reason = this.#isHeard(nowMs)
      ? `has not accepted its master's view for ${formatDuration(ageMs)} and serves at most ${max} by an older one`
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
