// `stele load --segments URL KS` and `stele commit KS URL`: the two ways to a version whose segments
// are finished.

import { readCompleteBuild } from '../../archive/builds/complete-build.ts';
import { BuildStore } from '../../archive/builds/build-store.ts';
import { segmentObject } from '../../archive/layout.ts';
import { SteleError } from '../../base/errors.ts';
import { keyspaceName } from '../../base/ids.ts';
import { checkRate } from '../bytes/throttle.ts';
import { checkGateFlags } from '../stages/gate-flags.ts';
import type { LoadSummary } from '../stages/progress.ts';
import { withTransfer } from '../transfer/open-transfer.ts';
import type { Transfer, TransferHooks } from '../transfer/open-transfer.ts';
import type { TransferSettings } from '../transfer/settings.ts';
import { findSegments } from './find-segments.ts';
import { loadStored } from './load-stored.ts';
import type { StoredLoadSettings } from './load-stored.ts';
import type { StoredVersion } from './stored-version.ts';

/** Headers that are read at a time. */
const TRANSFERS = 16;

export type RunStoredSettings = StoredLoadSettings &
  Omit<TransferSettings, 'limitRate' | 'transfers' | 'dryRun'>;

/** Loads the segments below `url`, of which a shard has one at most. Rejects as a load does. */
export function runSegmentsLoad(
  url: string,
  settings: RunStoredSettings,
  hooks: TransferHooks,
): Promise<LoadSummary> {
  return runStored(url, settings, hooks, findSegments);
}

/**
 * Commits the build at `url`, if it is complete. Committing it again says that its version is
 * current. Rejects with NOT_FOUND, BUILD_INCOMPLETE, CONFLICT, CORRUPT, and as a load does.
 */
export function runCommit(
  url: string,
  settings: Omit<RunStoredSettings, 'mode' | 'skipIfCurrent'>,
  hooks: TransferHooks,
): Promise<LoadSummary> {
  const load = { ...settings, mode: 'replace', skipIfCurrent: true } as const;
  return runStored(url, load, hooks, (transfer) => findBuild(transfer, settings.keyspace));
}

function runStored(
  url: string,
  settings: RunStoredSettings,
  hooks: TransferHooks,
  find: (transfer: Transfer) => Promise<StoredVersion>,
): Promise<LoadSummary> {
  keyspaceName(settings.keyspace);
  checkGateFlags(settings);
  checkRate(settings.maxBytesPerSecond);
  const transferring = {
    ...settings,
    limitRate: settings.maxBytesPerSecond,
    transfers: TRANSFERS,
    dryRun: false,
  };
  return withTransfer(url, transferring, hooks, async (transfer) => {
    transfer.progress.begin('plan');
    return loadStored(transfer, await find(transfer), settings);
  });
}

async function findBuild({ archive, stop }: Transfer, keyspace: string): Promise<StoredVersion> {
  const options = { signal: stop.signal };
  const { store } = archive;
  const build = await readCompleteBuild(new BuildStore(store), keyspace, options);
  const { duplicates, mark, overruled, rejected, rows, tasks, totals } = build;
  const { keyspaceUid, shardCount } = mark;
  const sizes = await archive.segmentSizes(keyspaceUid, options);
  const segments = build.segments.map((segment) => {
    const object = segmentObject(keyspaceUid, segment.id);
    if (sizes.get(object) === segment.fileBytes) return { ...segment, object };
    const has = sizes.has(object) ? `has ${sizes.get(object)} bytes` : 'is missing';
    const text = `'${object}' of ${store.url} ${has}, where its merge says ${segment.fileBytes} bytes; remove the manifests of its shard from merges/, and merge again. Nothing was changed.`;
    throw new SteleError('CORRUPT', text);
  });
  const [first] = tasks.tasks;
  const input = `built by ${tasks.tasks.length} tasks from ${first?.input.text ?? ''}`;
  const counts = { rows, rejected, duplicates, overruled };
  return { keyspaceUid, shardCount, segments, totals, ...counts, input };
}
