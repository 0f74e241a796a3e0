// One restore: keyspaces of a snapshot into a cluster, with the same digests.

import { keyspaceName, newKeyspaceName } from '../../base/ids.ts';
import { SteleError } from '../../base/errors.ts';
import { grpcLoadMaster } from '../push/master-client.ts';
import { roundSeconds } from '../stages/progress.ts';
import { withTransfer } from '../transfer/open-transfer.ts';
import type { Transfer, TransferHooks } from '../transfer/open-transfer.ts';
import type { TransferSettings } from '../transfer/settings.ts';
import { planKeyspace } from './plan.ts';
import type { PlannedKeyspace, PresentKeyspace, RestoreWay } from './plan.ts';
import { prepareRows } from './restore-rows.ts';
import { restoreSegments } from './restore-segments.ts';
import type { RestoredVersion } from './restore-segments.ts';
import { chooseSnapshot, readWanted, requireSegments } from './snapshot.ts';

export interface RestoreSettings extends TransferSettings {
  /** Undefined: the newest. */
  readonly snapshot: string | undefined;
  /** Another name for the one keyspace that is restored. */
  readonly as: string | undefined;
  /** 0: all kept versions. */
  readonly version: number;
  /** Where rows are written on the way, as for a load. */
  readonly workDir: string;
}

export interface RestoreSummary {
  readonly url: string;
  readonly snapshot: string;
  readonly keyspaces: readonly {
    readonly name: string;
    /** Its name in the cluster. */
    readonly target: string;
    readonly way: RestoreWay;
    readonly segments: number;
    readonly bytes: number;
    /** Those that were restored, or would be (`version` is then 0). */
    readonly versions: readonly RestoredVersion[];
  }[];
  readonly seconds: number;
  readonly dryRun: boolean;
}

/** Restores `keyspaces`; empty: all. Rejects with a SteleError whose sentence says what to do. */
export async function runRestore(
  url: string,
  keyspaces: readonly string[],
  settings: RestoreSettings,
  hooks: TransferHooks,
): Promise<RestoreSummary> {
  for (const name of keyspaces) keyspaceName(name);
  if (settings.as !== undefined) newKeyspaceName(settings.as);
  return withTransfer(url, settings, hooks, async (transfer) => {
    transfer.progress.begin('plan');
    const chosen = await chooseSnapshot(transfer, settings.snapshot);
    const wanted = await readWanted(transfer, chosen, keyspaces, settings.version);
    if (settings.as !== undefined && wanted.length !== 1) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        `--as renames one keyspace, and ${wanted.length} would be restored; name it.`,
      );
    }
    const present = await presentKeyspaces(transfer);
    const isSameShards = (await transfer.cluster.shardCount()) === chosen.snapshot.shardCount;
    const planned = wanted.map((one) => {
      const target = settings.as ?? one.keyspace.name;
      return planKeyspace(one, target, present, isSameShards);
    });
    await requireSegments(transfer, wanted);
    const source = `${transfer.archive.store.url} ${chosen.name}`;
    const restored = settings.dryRun
      ? new Map<string, RestoredVersion[]>()
      : await restore(transfer, source, planned, settings);
    return {
      url: transfer.archive.store.url,
      snapshot: chosen.name,
      keyspaces: planned.map((one) => describe(one, restored.get(one.target))),
      seconds: roundSeconds(transfer.progress.elapsedMs),
      dryRun: settings.dryRun,
    };
  });
}

async function presentKeyspaces({ cluster }: Transfer): Promise<PresentKeyspace[]> {
  const present: PresentKeyspace[] = [];
  for (const { currentVersion, name, uid } of await cluster.keyspaces()) {
    const versions = await cluster.versions(name);
    present.push({
      uid,
      name,
      currentVersion,
      versions: versions.map(({ digest, version }) => ({
        number: version,
        digest: digest.toString('hex'),
      })),
    });
  }
  return present;
}

async function restore(
  transfer: Transfer,
  source: string,
  planned: readonly PlannedKeyspace[],
  settings: RestoreSettings,
): Promise<Map<string, RestoredVersion[]>> {
  const of = (way: RestoreWay): PlannedKeyspace[] => planned.filter((one) => one.way === way);
  const master = grpcLoadMaster(settings.master, transfer.dialAs);
  try {
    // Both read and check everything before they change anything.
    const rows = await prepareRows(transfer, source, of('rows'), settings.workDir);
    try {
      const segments = await restoreSegments(transfer, master, source, of('segments'));
      return new Map([...segments, ...(await rows.load())]);
    } finally {
      rows.close();
    }
  } finally {
    master.close();
  }
}

function describe(
  { manifests, target, way, wanted }: PlannedKeyspace,
  restored: readonly RestoredVersion[] | undefined,
): RestoreSummary['keyspaces'][number] {
  const sizes = new Map(
    manifests.flatMap(({ segments }) => segments.map(({ fileBytes, id }) => [id, fileBytes])),
  );
  const expected = manifests.map(({ version: { digest, number, records } }) => ({
    was: number,
    version: 0,
    records,
    digest,
  }));
  return {
    name: wanted.keyspace.name,
    target,
    way,
    segments: sizes.size,
    bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0),
    versions: restored ?? expected,
  };
}
