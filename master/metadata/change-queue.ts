// The queue of catalog changes for the store: one change at a time, and no caller waits for ever.
//
//   requested ──> waiting ──────────> in progress ────────> made, or refused by its transition or the store
//     │             │ waitMsMax         │ answerMsMax
//     │             ▼                   ▼
//     │           UNAVAILABLE         OUTCOME_UNKNOWN    the store has not reported an outcome
//     ▼           never begun
//   OVERLOADED too many wait
//
// While the store is in trouble that it knows of, nobody waits: what waits is refused, and what is
// in progress has no known outcome.
//
// A change without an answer of the store may have been made, may never be, or may be made later.
// So its caller gets OUTCOME_UNKNOWN, and no other change begins until the store has answered:
// every change is decided on a known state. The catalog applies a late answer like any other. Reads
// do not wait here.
//
// Invariants: at most one change is in progress; a change that timed out while waiting never
// begins; a caller gets one outcome.

import { systemTime } from '../../base/clock.ts';
import type { Time } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { CATALOG_CHANGES_WAITING_MAX } from '../../base/limits.ts';
import type { Logger } from '../../base/log.ts';
import { Sweeper } from '../../base/sweeper.ts';
import { formatDuration } from '../../base/units.ts';

/** The sum of both is below the ten seconds that the command line waits for an answer. */
const WAIT_MS_MAX = 4_000;
const ANSWER_MS_MAX = 5_000;
/** Checks per the shorter of the two times. */
const CHECKS = 16;

interface ChangeQueueOptions {
  readonly log: Logger;
  readonly waitMsMax?: number;
  readonly answerMsMax?: number;
  readonly waitingMax?: number;
  /** Why the store will not answer soon. */
  readonly trouble?: () => SteleError | undefined;
  readonly time?: Time;
}

/** A change that waits or is in progress. */
interface Entry {
  sinceMs: number;
  /** Runs the change. Resolves when it has an outcome of any kind. */
  readonly make: () => Promise<void>;
  /** Fails the caller, unless there is an outcome already. */
  readonly giveUp: (error: SteleError) => void;
  isGivenUp: boolean;
}

export class ChangeQueue {
  readonly #options: Required<ChangeQueueOptions>;
  readonly #sweeper: Sweeper;
  readonly #waiting: Entry[] = [];
  #underWay: Entry | undefined;

  constructor(options: ChangeQueueOptions) {
    this.#options = {
      waitMsMax: WAIT_MS_MAX,
      answerMsMax: ANSWER_MS_MAX,
      waitingMax: CATALOG_CHANGES_WAITING_MAX,
      trouble: () => undefined,
      time: systemTime,
      ...options,
    };
    const { answerMsMax, time, waitMsMax } = this.#options;
    this.#sweeper = new Sweeper({
      intervalMs: Math.ceil(Math.min(waitMsMax, answerMsMax) / CHECKS),
      sweep: (atMs) => this.#sweep(atMs),
      time,
    });
  }

  /**
   * Runs `change` after those before it; resolves or rejects as it does. Throws OVERLOADED and
   * UNAVAILABLE, with nothing done, and OUTCOME_UNKNOWN.
   */
  run<Result>(change: () => Promise<Result>): Promise<Result> {
    const { time, waitingMax } = this.#options;
    const trouble = this.#options.trouble();
    if (trouble !== undefined) return Promise.reject(notBegun(trouble));
    if (this.#waiting.length >= waitingMax) return Promise.reject(tooMany(waitingMax));
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        sinceMs: time.nowMs(),
        make: () => change().then(resolve, reject),
        giveUp: reject,
        isGivenUp: false,
      });
      this.#sweeper.ensure();
      this.#next();
    });
  }

  #next(): void {
    if (this.#underWay !== undefined) return;
    const entry = this.#waiting.shift();
    if (entry === undefined) return this.#sweeper.stop();
    this.#underWay = entry;
    entry.sinceMs = this.#options.time.nowMs();
    void entry.make().then(() => {
      this.#underWay = undefined;
      if (entry.isGivenUp) this.#tellAnswered(entry);
      this.#next();
    });
  }

  #tellAnswered({ sinceMs }: Entry): void {
    const { log, time } = this.#options;
    const tookMs = Math.round(time.nowMs() - sinceMs);
    log.warn({ tookMs }, 'the store of the catalog has answered again; changes go on');
  }

  #sweep(nowMs: number): boolean {
    const { answerMsMax, waitMsMax } = this.#options;
    const entry = this.#underWay;
    const trouble = this.#options.trouble();
    if (entry !== undefined && !entry.isGivenUp) {
      if (trouble !== undefined) this.#giveUpUnderWay(entry, unknownFor(trouble));
      else if (nowMs - entry.sinceMs >= answerMsMax) {
        this.#giveUpUnderWay(entry, unknownOutcome(answerMsMax));
      }
    }
    if (trouble !== undefined) {
      for (const waiting of this.#waiting.splice(0)) waiting.giveUp(notBegun(trouble));
    }
    // The first has waited longest.
    while (this.#waiting[0] !== undefined && nowMs - this.#waiting[0].sinceMs >= waitMsMax) {
      this.#waiting.shift()?.giveUp(neverBegun(waitMsMax));
    }
    return true;
  }

  #giveUpUnderWay(entry: Entry, error: SteleError): void {
    const { log } = this.#options;
    entry.isGivenUp = true;
    log.error({ code: error.code, waiting: this.#waiting.length }, error.message);
    entry.giveUp(error);
  }
}

function notBegun(trouble: SteleError): SteleError {
  const text = `Changes are not taken now, so this one was not begun and nothing was changed. ${trouble.message}`;
  return new SteleError('UNAVAILABLE', text, { cause: trouble });
}

function unknownFor(trouble: SteleError): SteleError {
  const text = `It is not known whether the change was made, or will be: ${trouble.message} Look at \`stele events\` before you repeat the change.`;
  return new SteleError('OUTCOME_UNKNOWN', text, { cause: trouble });
}

function tooMany(waitingMax: number): SteleError {
  return new SteleError(
    'OVERLOADED',
    `${waitingMax} changes wait for the store of the catalog already, so this one was not taken; look at the disk of the master's --data-dir, and try again after a pause.`,
  );
}

function neverBegun(waitMsMax: number): SteleError {
  return new SteleError(
    'UNAVAILABLE',
    `The store of the catalog has been busy with other changes for ${formatDuration(waitMsMax)}, so this one was not begun and nothing was changed; look at the disk of the master's --data-dir, and try again.`,
  );
}

function unknownOutcome(answerMsMax: number): SteleError {
  return new SteleError(
    'OUTCOME_UNKNOWN',
    `The store of the catalog has not answered for ${formatDuration(answerMsMax)}, so it is not known whether the change was made, or will be; look at the disk of the master's --data-dir, and at \`stele events\` before you repeat the change.`,
  );
}
