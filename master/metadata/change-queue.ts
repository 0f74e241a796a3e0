// Changes of the catalog wait here for the store: one is made at a time, and no caller waits for ever.
//
//   asked ──> waiting ──────────> under way ──────────> made, or refused by its transition or the store
//     │         │ waitMsMax         │ answerMsMax
//     │         ▼                   ▼
//     │       UNAVAILABLE         OUTCOME_UNKNOWN    the store has it and does not say what became of it
//     ▼       never begun
//   OVERLOADED too many wait
//
// A change that the store does not answer may have been made, may never be, or may be made later. So its caller
// hears that nobody knows, and no other change is begun until the store has answered: the next one is decided on a
// state that is known. The catalog takes a late answer as any other. Reads need none of this.
//
// Invariants: at most one change is under way; one that was given up while it waited is never begun; callers hear of
// the outcome once.

import { monotonicNowMs } from '../../base/clock.ts';
import type { Clock } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { CATALOG_CHANGES_WAITING_MAX } from '../../base/limits.ts';
import type { Logger } from '../../base/log.ts';
import { Sweeper } from '../../base/sweeper.ts';
import { formatDuration } from '../../base/units.ts';

/** Both together are below the ten seconds that the command line waits for an answer. */
const WAIT_MS_MAX = 4_000;
const ANSWER_MS_MAX = 5_000;
/** Checks in the shorter of the two. */
const CHECKS = 16;

interface ChangeQueueOptions {
  readonly log: Logger;
  readonly waitMsMax?: number;
  readonly answerMsMax?: number;
  readonly waitingMax?: number;
  readonly nowMs?: Clock;
}

/** A change that waits or is under way. */
interface Entry {
  sinceMs: number;
  /** Runs it; resolves when it has an outcome, whatever that is. */
  readonly make: () => Promise<void>;
  /** Its caller hears this, unless there is an outcome already. */
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
      nowMs: monotonicNowMs,
      ...options,
    };
    const { answerMsMax, nowMs, waitMsMax } = this.#options;
    this.#sweeper = new Sweeper({
      intervalMs: Math.ceil(Math.min(waitMsMax, answerMsMax) / CHECKS),
      sweep: (atMs) => this.#sweep(atMs),
      nowMs,
    });
  }

  /**
   * Runs `change` when those before it have an outcome; resolves or rejects as it does. Throws OVERLOADED and
   * UNAVAILABLE, with nothing done, and OUTCOME_UNKNOWN.
   */
  run<Result>(change: () => Promise<Result>): Promise<Result> {
    const { nowMs, waitingMax } = this.#options;
    if (this.#waiting.length >= waitingMax) return Promise.reject(tooMany(waitingMax));
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        sinceMs: nowMs(),
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
    entry.sinceMs = this.#options.nowMs();
    void entry.make().then(() => {
      this.#underWay = undefined;
      if (entry.isGivenUp) this.#tellAnswered(entry);
      this.#next();
    });
  }

  #tellAnswered({ sinceMs }: Entry): void {
    const { log, nowMs } = this.#options;
    const tookMs = Math.round(nowMs() - sinceMs);
    log.warn({ tookMs }, 'the store of the catalog has answered again; changes go on');
  }

  #sweep(nowMs: number): boolean {
    const { answerMsMax, waitMsMax } = this.#options;
    const entry = this.#underWay;
    if (entry !== undefined && !entry.isGivenUp && nowMs - entry.sinceMs >= answerMsMax) {
      this.#giveUpUnderWay(entry);
    }
    // The first has waited longest.
    while (this.#waiting[0] !== undefined && nowMs - this.#waiting[0].sinceMs >= waitMsMax) {
      this.#waiting.shift()?.giveUp(neverBegun(waitMsMax));
    }
    return true;
  }

  #giveUpUnderWay(entry: Entry): void {
    const { answerMsMax, log } = this.#options;
    const error = unknownOutcome(answerMsMax);
    entry.isGivenUp = true;
    log.error({ code: error.code, waiting: this.#waiting.length }, error.message);
    entry.giveUp(error);
  }
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
