// `stele follow`: this cluster takes each new current version of keyspaces from the deep store of
// another one, which need not be reachable itself.
//
// Nothing is kept between two looks but what was seen last, so the process may be killed and started
// again at any time, and there may be two.

import { parseStoreUrl } from '../../archive/store-url.ts';
import { monotonicNowMs, sleep } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { keyspaceName, randomId } from '../../base/ids.ts';
import { checkRate } from '../bytes/throttle.ts';
import { chooseSnapshot, readWanted } from '../restore/snapshot.ts';
import type { WantedKeyspace } from '../restore/snapshot.ts';
import { checkGateFlags } from '../stages/gate-flags.ts';
import { roundSeconds } from '../stages/progress.ts';
import { withTransfer } from '../transfer/open-transfer.ts';
import type { Transfer, TransferHooks } from '../transfer/open-transfer.ts';
import type { TransferSettings } from '../transfer/settings.ts';
import { bring } from './follow-keyspace.ts';
import type { Brought, FollowSettings } from './follow-keyspace.ts';

/** Segments of which rows are made at a time. */
const TRANSFERS = 4;

export interface FollowerSettings
  extends FollowSettings, Omit<TransferSettings, 'master' | 'limitRate' | 'transfers' | 'dryRun'> {
  readonly keyspaces: readonly string[];
  /** By keyspace: the number of the only version that is wanted. */
  readonly pins: ReadonlyMap<string, number>;
  /** Time between two looks, in ms. */
  readonly poll: number;
  /** One look. */
  readonly once: boolean;
}

/** How it is with one keyspace after a look. */
export interface FollowState {
  readonly keyspace: string;
  /**
   * `absent`: there is no such keyspace or version there; `busy`: another load runs; `failed`: it is
   * tried again at the next look.
   */
  readonly state: Brought['state'] | 'absent' | 'busy' | 'failed';
  /** The version wanted, by its number there; 0 if that is not known. */
  readonly sourceVersion: number;
  /** Its number here; 0 if it is not here. */
  readonly version: number;
  readonly digest: string;
  /** Age of the version wanted while it is not the current one here. */
  readonly lagSeconds: number;
  readonly way: 'segments' | 'rows' | undefined;
  readonly seconds: number;
  /** Why not; empty if it is current. */
  readonly reason: string;
}

/**
 * Looks until `hooks.signal` aborts, or once. `onLook` gets the states of all keyspaces after each
 * look. Rejects only for settings that are wrong.
 */
export async function follow(
  url: string,
  settings: FollowerSettings,
  hooks: TransferHooks,
  onLook: (states: readonly FollowState[]) => Promise<void>,
): Promise<void> {
  const { keyspaces, once, pins, poll } = settings;
  parseStoreUrl(url);
  for (const name of keyspaces) keyspaceName(name);
  const stranger = [...pins.keys()].find((name) => !keyspaces.includes(name));
  if (stranger !== undefined) {
    const text = `--pin names '${stranger}', which is not among the keyspaces that are followed.`;
    throw new SteleError('INVALID_ARGUMENT', text);
  }
  checkGateFlags(settings);
  checkRate(settings.maxBytesPerSecond);
  const follower = new Follower(url, settings, hooks);
  const isStopped = (): boolean => hooks.signal?.aborted === true;
  while (!isStopped()) {
    const states = await follower.look();
    if (isStopped()) return;
    await onLook(states);
    if (once) return;
    await sleep(poll, hooks.signal);
  }
}

type Outcome = Pick<FollowState, 'state' | 'version' | 'digest' | 'reason'> & {
  readonly way?: 'segments' | 'rows';
};

/** The version wanted is the current one. */
const IS_THERE: ReadonlySet<FollowState['state']> = new Set(['current', 'taken', 'promoted']);

/** Nothing was decided; the next look tries the same. */
const IN_VAIN: ReadonlySet<FollowState['state']> = new Set(['failed', 'busy', 'absent']);

const REASONS: Readonly<Partial<Record<FollowState['state'], string>>> = {
  rejected: 'it failed its gate here; `stele versions` has the reason',
  'held-back': 'it was current here, and somebody rolled back; promote it, or wait for a newer one',
};

/** What the code of an error means for a keyspace; others: failed. */
const STATES: Readonly<Partial<Record<ErrorCode, FollowState['state']>>> = {
  GATE_FAILED: 'rejected',
  LOAD_IN_PROGRESS: 'busy',
  LOCKED: 'busy',
  KEYSPACE_NOT_FOUND: 'absent',
  VERSION_NOT_FOUND: 'absent',
};

interface Seen {
  readonly number: number;
  readonly committedAt: string;
  readonly isHere: boolean;
}

class Follower {
  readonly #url: string;
  readonly #settings: FollowerSettings;
  readonly #hooks: TransferHooks;
  readonly #token = randomId();
  /** By keyspace: the version wanted at the last look that was not in vain. */
  readonly #seen = new Map<string, Seen>();

  constructor(url: string, settings: FollowerSettings, hooks: TransferHooks) {
    this.#url = url;
    this.#settings = settings;
    this.#hooks = hooks;
  }

  async look(): Promise<FollowState[]> {
    const states: FollowState[] = [];
    for (const keyspace of this.#settings.keyspaces) {
      if (this.#hooks.signal?.aborted === true) break;
      states.push(await this.#lookAt(keyspace));
    }
    return states;
  }

  async #lookAt(keyspace: string): Promise<FollowState> {
    const startMs = monotonicNowMs();
    const before = this.#seen.get(keyspace);
    let seen: Seen | undefined = before;
    let outcome: Outcome;
    try {
      // A failure ends what a transfer has opened, so each keyspace has its own.
      const transferring = {
        ...this.#settings,
        limitRate: this.#settings.maxBytesPerSecond,
        transfers: TRANSFERS,
        dryRun: false,
      };
      outcome = await withTransfer(this.#url, transferring, this.#hooks, async (transfer) => {
        const { number, wanted } = await this.#find(transfer, keyspace);
        const [manifest] = wanted.manifests;
        if (manifest === undefined) throw this.#absent(keyspace, number);
        seen = { number, committedAt: manifest.version.committedAt, isHere: false };
        const hasMoved = before !== undefined && before.number !== number;
        const followed = { keyspace, hasMoved, token: this.#token };
        const brought = await bring(transfer, wanted, manifest, followed, this.#settings);
        return { ...brought, reason: REASONS[brought.state] ?? '' };
      });
    } catch (thrown) {
      const { code, message } = toSteleError(thrown);
      outcome = { state: STATES[code] ?? 'failed', version: 0, digest: '', reason: message };
      if (this.#hooks.signal?.aborted !== true) {
        this.#hooks.log.warn({ keyspace, code, err: message }, `not followed: ${outcome.state}`);
      }
    }
    const isHere = IS_THERE.has(outcome.state);
    // After a failure the next look must still find that the source has moved.
    if (seen !== undefined && !IN_VAIN.has(outcome.state)) {
      seen = { ...seen, isHere };
      this.#seen.set(keyspace, seen);
    }
    const { digest, reason, state, version, way } = outcome;
    return {
      keyspace,
      state,
      sourceVersion: seen?.number ?? 0,
      version,
      digest,
      lagSeconds: isHere || seen?.isHere === true ? 0 : ageSeconds(seen?.committedAt),
      way,
      seconds: roundSeconds(monotonicNowMs() - startMs),
      reason,
    };
  }

  /** The version that is wanted. Throws CONFLICT, KEYSPACE_NOT_FOUND, VERSION_NOT_FOUND. */
  async #find(
    transfer: Transfer,
    keyspace: string,
  ): Promise<{ readonly number: number; readonly wanted: WantedKeyspace }> {
    const chosen = await chooseSnapshot(transfer, undefined);
    if (chosen.snapshot.clusterId === (await transfer.cluster.clusterId())) {
      const text = `${this.#url} is the store of this cluster itself; name the deep store of another one, or this one's follower with --master.`;
      throw new SteleError('CONFLICT', text);
    }
    const found = chosen.snapshot.keyspaces.find((one) => one.name === keyspace);
    if (found === undefined) {
      const text = `The newest snapshot of ${this.#url} ('${chosen.name}') has no keyspace '${keyspace}'.`;
      throw new SteleError('KEYSPACE_NOT_FOUND', text);
    }
    const number = this.#settings.pins.get(keyspace) ?? found.currentVersion;
    if (number === 0) throw this.#absent(keyspace, number);
    const [wanted] = await readWanted(transfer, chosen, [keyspace], number);
    if (wanted === undefined) throw this.#absent(keyspace, number);
    return { number, wanted };
  }

  #absent(keyspace: string, number: number): SteleError {
    const what = number === 0 ? 'current version' : `version ${number}`;
    const text = `Keyspace '${keyspace}' has no ${what} at ${this.#url}.`;
    return new SteleError('VERSION_NOT_FOUND', text);
  }
}

function ageSeconds(iso: string | undefined): number {
  const thenMs = Date.parse(iso ?? '');
  return Number.isNaN(thenMs) ? 0 : Math.max(0, Math.round((Date.now() - thenMs) / 1000));
}
