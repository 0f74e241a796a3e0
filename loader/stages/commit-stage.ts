// Stage 3: adds up and checks the totals, and makes the call that makes the version visible.

import { SteleError } from '../../base/errors.ts';
import { sleep } from '../../base/clock.ts';
import type { CommitLoadRequest, CommitLoadResponse } from '../../proto/gen/stele/v1/load.ts';
import { Digest } from '../../segment/digest.ts';
import type { ShardDone } from '../work/checkpoint.ts';
import { gateOf } from './gate-flags.ts';
import type { LoadMaster } from '../push/master-client.ts';
import type { LoadSettings } from '../settings.ts';

/** Long enough for a master to restart. */
const RETRY_FOR_MS = 20_000;
const RETRY_DELAY_MS = 500;
/** Deadlines that a commit may miss before it fails; the master may be counting a large append. */
const TIMEOUTS_MAX = 30;

export interface LoadTotals {
  readonly records: number;
  readonly duplicates: number;
  readonly overruled: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly digest: Digest;
}

/** Adds up the shards. Throws INTERNAL if rows were lost or duplicated on the way. */
export function addUp(shards: readonly ShardDone[], rowCount: number): LoadTotals {
  let records = 0;
  let duplicates = 0;
  let overruled = 0;
  let keyBytes = 0;
  let valueBytes = 0;
  const digest = new Digest();
  for (const shard of shards) {
    duplicates += shard.duplicates;
    overruled += shard.overruled;
    if (shard.segment === undefined) continue;
    records += shard.segment.records;
    keyBytes += shard.segment.keyBytes;
    valueBytes += shard.segment.valueBytes;
    digest.add(Digest.fromBytes(Buffer.from(shard.segment.digest, 'hex')));
  }
  if (records + duplicates !== rowCount) {
    throw new SteleError(
      'INTERNAL',
      `${rowCount} rows were read, but ${records} loaded and ${duplicates} were duplicates; nothing was committed. Please report this, and load again with --no-resume.`,
    );
  }
  return { records, duplicates, overruled, keyBytes, valueBytes, digest };
}

export function commitRequest(
  loadId: string,
  shards: readonly ShardDone[],
  totals: LoadTotals,
  settings: LoadSettings,
  inputFingerprint: string,
): CommitLoadRequest {
  const { keyBytes, records, valueBytes } = totals;
  return {
    loadId,
    shards: shards.flatMap(({ nodes, segment, shard }) =>
      segment === undefined
        ? []
        : [
            {
              segment: { ...segment, shard, digest: Buffer.from(segment.digest, 'hex') },
              nodeIds: [...nodes],
            },
          ],
    ),
    records,
    keyBytes,
    valueBytes,
    digest: totals.digest.toBytes(),
    minReplicas: settings.minReplicas,
    gate: gateOf(settings),
    keep: settings.keep,
    inputFingerprint,
    archiveFirst: settings.archive === 'wait',
  };
}

/**
 * Commits, and retries for a while if the master cannot be reached. `signal` stops the retries but
 * not a call in flight: the master may be about to commit.
 */
export async function commit(
  master: LoadMaster,
  request: CommitLoadRequest,
  signal: AbortSignal,
): Promise<CommitLoadResponse> {
  const untilMs = performance.now() + RETRY_FOR_MS;
  let timeouts = 0;
  for (;;) {
    try {
      return await master.commitLoad(request);
    } catch (thrown) {
      const code = thrown instanceof SteleError ? thrown.code : undefined;
      // The master is still working: datanodes count a large append before it is committed.
      const isLong = code === 'DEADLINE_EXCEEDED' && ++timeouts < TIMEOUTS_MAX;
      // If the commit was made, the master says so when it is asked again.
      const isAskedAgain = code === 'UNAVAILABLE' || code === 'OUTCOME_UNKNOWN';
      const isAway = isAskedAgain && performance.now() < untilMs;
      if (!isLong && !isAway) throw thrown;
      if (signal.aborted) throw new SteleError('CANCELLED', 'The load was stopped.');
      if (isAway) await sleep(RETRY_DELAY_MS, signal);
    }
  }
}
