// What a keyspace takes of memory and disk, in either tier, and what changes of it would free: by the
// sizes in the catalog, and what the datanodes measure of its records and indexes.

import { KEEP_MIN } from '../../base/limits.ts';
import type {
  CostChange,
  GetCostRequest,
  GetCostResponse,
  SizeQuantiles,
  TierCost,
} from '../../proto/gen/stele/v1/cluster.ts';
import { tierNumber } from '../../proto/view-words.ts';
import type { TierWord } from '../../proto/view-words.ts';
import type { CatalogState } from '../catalog/catalog.ts';
import { isHeld, keepOf, requireKeyspace, versionsOf } from '../catalog/queries.ts';
import { versionId } from '../catalog/records.ts';
import type { KeyspaceRecord, VersionRecord } from '../catalog/records.ts';
import { setKeep } from '../catalog/version-transitions.ts';
import type { Leader } from '../control/leader.ts';
import { eligibleNodes } from '../core/world/world.ts';
import { askDatanodes } from './ask-datanodes.ts';

const DEADLINE_MS = 5_000;

/** Bytes of one copy of some segments, each once. */
interface Footprint {
  readonly fileBytes: number;
  readonly records: number;
}

/** What the datanodes say together. */
interface Measured {
  readonly keyBytes: readonly number[];
  readonly valueBytes: readonly number[];
  /** Of an index with its checksums, per record; undefined if none was measured. */
  readonly indexBytes: number | undefined;
  readonly readsPerSecond: number;
  readonly hitRatio: number | undefined;
  readonly unanswered: string[];
}

/** Throws KEYSPACE_NOT_FOUND. */
export async function costOf(
  leader: Leader,
  { keyspace: name }: GetCostRequest,
): Promise<GetCostResponse> {
  const { state } = leader.catalog;
  const keyspace = requireKeyspace(state, name);
  const { desired, uid } = keyspace;
  const current = state.version.get(versionId(uid, desired.currentVersion));
  const measured = await measure(leader, keyspace);
  const held = versionsOf(state, uid).filter(isHeld);
  const wanted = desired.replication || leader.world.replication;
  const copies = Math.max(1, Math.min(wanted, eligibleNodes(leader.world).length));
  const tier = desired.tier ?? 'memory';
  const all = footprintOf(state, held);
  const one = footprintOf(state, current === undefined ? [] : [current]);
  const tiers = (['memory', 'disk'] as const).flatMap((word) => {
    const cost = tierCost(word, copies, all, one, measured.indexBytes);
    return cost === undefined ? [] : [cost];
  });
  const { hitRatio, keyBytes, readsPerSecond, unanswered, valueBytes } = measured;
  return {
    version: desired.currentVersion,
    records: current?.records ?? 0,
    keyBytes: current?.keyBytes ?? 0,
    valueBytes: current?.valueBytes ?? 0,
    tier: tierNumber(tier),
    suspended: desired.suspended === true,
    replication: copies,
    versionsKept: held.length,
    tiers,
    changes: changesOf(state, keyspace, { copies, held, measured, tier }),
    sampled: keyBytes.length,
    ...(keyBytes.length === 0
      ? {}
      : { keySizes: quantiles(keyBytes), valueSizes: quantiles(valueBytes) }),
    readsPerSecond,
    ...(hitRatio === undefined ? {} : { hitRatio }),
    unanswered,
  };
}

async function measure(leader: Leader, { desired, uid }: KeyspaceRecord): Promise<Measured> {
  const options = { deadlineMs: DEADLINE_MS };
  const { answers, unanswered } = await askDatanodes(leader, (link, expectNode) =>
    Promise.all([
      link.measureRecords(
        { expectNode, keyspaceUid: uid, version: desired.currentVersion },
        options,
      ),
      link.getHotKeys({ expectNode, keyspaceUid: uid, limit: 1 }, options),
      link.countReads({ header: leader.header(expectNode) }, options),
    ]),
  );
  let [records, indexBytes, readsPerSecond, found, notFound] = [0, 0, 0, 0, 0];
  for (const [sizes, hot, { counters }] of answers) {
    records += sizes.records;
    indexBytes += sizes.indexBytes;
    readsPerSecond += hot.readsPerSecond;
    const reads = counters?.keyspaces.find(({ keyspaceUid }) => keyspaceUid === uid);
    found += reads?.found ?? 0;
    notFound += reads?.notFound ?? 0;
  }
  return {
    keyBytes: answers.flatMap(([sizes]) => sizes.keyBytes),
    valueBytes: answers.flatMap(([sizes]) => sizes.valueBytes),
    indexBytes: records === 0 ? undefined : indexBytes / records,
    readsPerSecond,
    hitRatio: found + notFound === 0 ? undefined : found / (found + notFound),
    unanswered,
  };
}

/** Versions share the segments that an append, or a merge, has left as they were. */
function footprintOf(state: CatalogState, versions: readonly VersionRecord[]): Footprint {
  const seen = new Set<string>();
  let [fileBytes, records] = [0, 0];
  for (const { number, uid } of versions) {
    for (const segment of state.manifest.get(versionId(uid, number))?.segments ?? []) {
      if (seen.has(segment.id)) continue;
      seen.add(segment.id);
      fileBytes += segment.fileBytes;
      records += segment.records;
    }
  }
  return { fileBytes, records };
}

/** Of one copy; undefined for the disk tier if no index was measured. */
function memoryBytes(
  tier: TierWord,
  { fileBytes, records }: Footprint,
  indexBytes: number | undefined,
): number | undefined {
  if (tier === 'memory') return fileBytes;
  return indexBytes === undefined ? undefined : Math.round(records * indexBytes);
}

function tierCost(
  tier: TierWord,
  copies: number,
  all: Footprint,
  one: Footprint,
  indexBytes: number | undefined,
): TierCost | undefined {
  const ofAll = memoryBytes(tier, all, indexBytes);
  const ofOne = memoryBytes(tier, one, indexBytes);
  if (ofAll === undefined || ofOne === undefined) return undefined;
  const perRecord = (bytes: number): number => (one.records === 0 ? 0 : bytes / one.records);
  return {
    tier: tierNumber(tier),
    memoryBytes: copies * ofAll,
    diskBytes: copies * all.fileBytes,
    memoryBytesPerRecord: perRecord(ofOne),
    diskBytesPerRecord: perRecord(one.fileBytes),
  };
}

interface Present {
  readonly tier: TierWord;
  readonly copies: number;
  readonly held: readonly VersionRecord[];
  readonly measured: Measured;
}

/** What one step of each setting would free; those that would change nothing are left out. */
function changesOf(
  state: CatalogState,
  keyspace: KeyspaceRecord,
  { copies, held, measured, tier }: Present,
): CostChange[] {
  const isSuspended = keyspace.desired.suspended === true;
  const inMemory = (versions: readonly VersionRecord[], as = tier): number | undefined => {
    if (isSuspended) return 0;
    const one = memoryBytes(as, footprintOf(state, versions), measured.indexBytes);
    return one === undefined ? undefined : one * copies;
  };
  const onDisk = (versions: readonly VersionRecord[]): number =>
    footprintOf(state, versions).fileBytes * copies;
  const [memoryNow, diskNow] = [inMemory(held), onDisk(held)];
  if (memoryNow === undefined) return [];
  const changes: CostChange[] = [];
  const add = (change: string, memory: number | undefined, disk: number): void => {
    if (memory === undefined || (memory === memoryNow && disk === diskNow)) return;
    changes.push({ change, memoryBytes: memoryNow - memory, diskBytes: diskNow - disk });
  };
  const other = tier === 'memory' ? 'disk' : 'memory';
  add(`tier ${other}`, inMemory(held, other), diskNow);
  if (copies > 1) {
    const share = (copies - 1) / copies;
    add(`replication ${copies - 1}`, memoryNow * share, diskNow * share);
  }
  const keep = keepOf(keyspace) - 1;
  if (keep >= KEEP_MIN) {
    const kept = keptWith(state, keyspace, held, keep);
    add(`keep ${keep}`, inMemory(kept), onDisk(kept));
  }
  add('suspend', 0, diskNow);
  return changes;
}

function keptWith(
  state: CatalogState,
  { name, uid }: KeyspaceRecord,
  held: readonly VersionRecord[],
  keep: number,
): VersionRecord[] {
  const { changes } = setKeep(state, name, keep);
  const isRetired = (id: string): boolean =>
    changes.some((change) => change.table === 'version' && change.id === id);
  return held.filter(({ number }) => !isRetired(versionId(uid, number)));
}

function quantiles(sizes: readonly number[]): SizeQuantiles {
  const sorted = [...sizes].sort((one, other) => one - other);
  const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), largest: at(1) };
}
