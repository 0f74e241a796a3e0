// Restores the current version of keyspaces by their rows: into a cluster with another number of
// shards, or beside the keyspace with the same uid.
//
//     segments of a shard -> checked, newest record of each key -> WORK/<hash>/rows/00017.csv -> stele load
//
// The rows of all keyspaces are written before the first load begins, so an archive that turns out
// to be damaged changes nothing. They take about as much space as the data, and are removed after
// the load.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { resolveSettings } from '../../base/config.ts';
import { makeFolder } from '../../base/disk/make-folder.ts';
import { lockFolder } from '../../base/disk/folder-lock.ts';
import type { FolderLock } from '../../base/disk/folder-lock.ts';
import { SteleError } from '../../base/errors.ts';
import type { ArchivedManifest, ArchivedSegment } from '../../archive/archived.ts';
import { forEachBounded } from '../bytes/bounded.ts';
import { runLoad } from '../load.ts';
import { loadSettings } from '../settings.ts';
import type { LoadSettings } from '../settings.ts';
import type { Transfer } from '../transfer/open-transfer.ts';
import { workBase } from '../work/work-folder.ts';
import type { PlannedKeyspace } from './plan.ts';
import { readSegment } from './read-segment.ts';
import { restoredSource } from './restored-source.ts';
import { rowsFlags } from './rows-flags.ts';
import type { RestoredVersion } from './restore-segments.ts';

const NAME_DIGITS = 16;
const SHARD_DIGITS = 5;

interface RowsFolder {
  readonly planned: PlannedKeyspace;
  readonly manifest: ArchivedManifest;
  readonly path: string;
  readonly lock: FolderLock;
}

/** Rows that are ready to be loaded. `close` must be called. */
export interface ReadyRows {
  /** Loads them; resolves by target name. */
  load(): Promise<Map<string, RestoredVersion[]>>;
  /** Removes what was written, before `close`. */
  discard(): void;
  /** Releases the folders, which stay unless they were loaded. */
  close(): void;
}

/**
 * Writes the rows of all keyspaces. `workDir` as for a load; `more` are other settings of the loads. Rejects with CORRUPT, DISK_FULL,
 * LOCKED ...
 */
export async function prepareRows(
  transfer: Transfer,
  source: string,
  all: readonly PlannedKeyspace[],
  workDir: string,
  more: Partial<LoadSettings> = {},
): Promise<ReadyRows> {
  const folders: RowsFolder[] = [];
  const close = (): void => {
    for (const { lock } of folders) lock.release();
  };
  try {
    for (const planned of all) folders.push(...openFolders(planned, source, workDir));
    await writeAll(transfer, folders);
  } catch (thrown) {
    close();
    throw thrown;
  }
  const load = async (): Promise<Map<string, RestoredVersion[]>> => {
    const restored = new Map<string, RestoredVersion[]>();
    for (const folder of folders) {
      restored.set(folder.planned.target, [await loadRows(transfer, folder, workDir, more)]);
      rmSync(folder.path, { recursive: true, force: true });
    }
    return restored;
  };
  const discard = (): void => {
    for (const { path } of folders) rmSync(path, { recursive: true, force: true });
  };
  return { load, discard, close };
}

function openFolders(planned: PlannedKeyspace, source: string, workDir: string): RowsFolder[] {
  return planned.manifests.map((manifest) => {
    const { keyspaceUid, version } = manifest;
    const what = `${source} ${planned.target} ${keyspaceUid} ${version.number}`;
    const name = createHash('sha256').update(what).digest('hex').slice(0, NAME_DIGITS);
    const path = join(workBase(workDir), `restore-${name}`);
    const lock = lockFolder(path, 'restore');
    makeFolder(join(path, 'rows'));
    return { planned, manifest, path, lock };
  });
}

interface ShardRows {
  readonly keyspaceUid: string;
  readonly shardCount: number;
  readonly segments: readonly ArchivedSegment[];
  readonly path: string;
}

/** Writes the files that an earlier restore has not written completely. */
async function writeAll(transfer: Transfer, folders: readonly RowsFolder[]): Promise<void> {
  const work = folders.flatMap(({ manifest, path }) => shardsOf(manifest, join(path, 'rows')));
  const left = work.filter(({ path }) => !existsSync(path));
  const bytesOf = ({ segments }: ShardRows): number =>
    segments.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  transfer.progress.begin(
    'rows',
    left.length,
    left.reduce((sum, one) => sum + bytesOf(one), 0),
  );
  const { memory, pool, settings, stop } = transfer;
  await forEachBounded(left, settings.transfers, stop, async (shard) => {
    const { keyspaceUid, path, segments, shardCount } = shard;
    // Merging takes as much again.
    const reserved = 2 * bytesOf(shard);
    await memory.acquire(reserved);
    try {
      const read = [];
      for (const segment of segments) {
        const bytes = await readSegment(transfer, keyspaceUid, segment);
        read.push({ bytes, id: segment.id, keyspaceUid, shardCount });
      }
      rmSync(`${path}.part`, { force: true });
      await pool.run({ segments: read, rowsPath: `${path}.part` });
      renameSync(`${path}.part`, path);
      transfer.progress.done(bytesOf(shard));
    } finally {
      memory.release(reserved);
    }
  });
  if (stop.signal.aborted)
    throw new SteleError('CANCELLED', 'Stopped before all rows were written.');
}

function shardsOf(
  { keyspaceUid, segments, shardCount }: ArchivedManifest,
  folder: string,
): ShardRows[] {
  const shards = new Map<number, ArchivedSegment[]>();
  for (const segment of segments) {
    const chain = shards.get(segment.shard) ?? [];
    shards.set(segment.shard, [...chain, segment]);
  }
  return [...shards].map(([shard, chain]) => {
    const path = join(folder, `${String(shard).padStart(SHARD_DIGITS, '0')}.csv`);
    return { keyspaceUid, shardCount, segments: chain, path };
  });
}

async function loadRows(
  { archive, log, notice, settings, stop }: Transfer,
  { manifest, path, planned }: RowsFolder,
  workDir: string,
  more: Partial<LoadSettings>,
): Promise<RestoredVersion> {
  const { digest, number: was, records } = manifest.version;
  const { target } = planned;
  const files = readdirSync(join(path, 'rows')).sort();
  const { values } = resolveSettings(loadSettings, {
    flags: { ...rowsFlags, workDir: workBase(workDir) },
    environment: {},
    file: {},
  });
  const loading: LoadSettings = {
    ...values,
    ...pick(settings),
    maxBytesPerSecond: settings.limitRate,
    tier: planned.wanted.keyspace.tier,
    source: restoredSource(manifest, archive),
    ...more,
    keyspace: target,
    paths: files.map((name) => join(path, 'rows', name)),
  };
  const summary = await runLoad(loading, { log, onNotice: notice, signal: stop.signal });
  if (!summary.alreadyCurrent && summary.digest !== digest) {
    throw new SteleError(
      'CORRUPT',
      `Keyspace '${target}' has digest ${summary.digest} here, and ${digest} in the archive; drop that version and report this.`,
    );
  }
  return { was, version: summary.version, records, digest };
}

/** The settings that a load has, too. */
function pick(settings: Transfer['settings']) {
  const {
    dryRun: _,
    limitRate: _rate,
    s3Endpoint: _at,
    s3Region: _in,
    transfers: _n,
    ...shared
  } = settings;
  return shared;
}
