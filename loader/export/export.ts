// One export: a version of a keyspace as files that any program reads, in a folder or a bucket.
//
//     versions -> manifest -> plan -> for each unit: segments -> files, note -> manifest of the export
//
// The counts and the digest of what was written must be those of the version. An export that was
// interrupted goes on when it is run again: units with a note are not written again.

import type { ObjectStore } from '../../archive/object-store.ts';
import { SteleError } from '../../base/errors.ts';
import { keyspaceName, shorten } from '../../base/ids.ts';
import { Digest } from '../../segment/digest.ts';
import { roundSeconds } from '../stages/progress.ts';
import type { HeldSegment } from '../transfer/cluster-client.ts';
import { withTransfer } from '../transfer/open-transfer.ts';
import type { Transfer, TransferHooks } from '../transfer/open-transfer.ts';
import { ExportFiles } from './export-files.ts';
import type { ExportManifest, ExportPlan, ExportedVersion, UnitNote } from './export-json.ts';
import type { ExportSettings } from './settings.ts';
import { unitsOf } from './units.ts';
import { ColumnIsBinary, writeUnits } from './write-units.ts';

export interface ExportSummary {
  readonly url: string;
  readonly keyspace: string;
  readonly version: number;
  readonly format: ExportSettings['format'];
  readonly compress: ExportSettings['compress'];
  readonly records: number;
  /** Of keys and values. */
  readonly dataBytes: number;
  readonly digest: string;
  /** Files of rows; of a dry run, about how many. */
  readonly files: number;
  /** Of these files; 0 in a dry run. */
  readonly bytes: number;
  /** Files that an earlier run has written. */
  readonly resumed: number;
  readonly seconds: number;
  readonly dryRun: boolean;
}

/** Rejects with a SteleError whose sentence says what to do. */
export async function runExport(
  keyspace: string,
  settings: ExportSettings,
  hooks: TransferHooks,
): Promise<ExportSummary> {
  keyspaceName(keyspace);
  const { compress, format, out } = settings;
  if (out === undefined) {
    const text = '--out is missing: say where the files go, as file:///path or s3://bucket/prefix.';
    throw new SteleError('INVALID_ARGUMENT', text);
  }
  if (format === 'parquet' && compress !== 'none') {
    const text = '--compress: Parquet files are compressed by themselves; leave it out.';
    throw new SteleError('INVALID_ARGUMENT', text);
  }
  return withTransfer(out, settings, hooks, async (transfer) => {
    const { archive, cluster, progress, stop } = transfer;
    progress.begin('plan');
    const files = new ExportFiles(archive.store, { signal: stop.signal });
    const wanted = await wantedVersion(transfer, keyspace, settings);
    const { keyspaceUid: uid, version } = wanted;
    const present = await findPresent(files, wanted);
    const summary = summaryOf(archive.store, wanted, settings);
    if (present.manifest !== undefined) {
      const { parts } = present.manifest;
      const [missing] = await files.missingOf(present.manifest);
      if (missing !== undefined) {
        const text = `${missing} of the finished export at ${archive.store.url} is missing or has another size; empty this place, or export to another one.`;
        throw taken(text);
      }
      if (!settings.dryRun) await files.removeWork();
      return { ...summary(present.manifest, parts.length), seconds: 0 };
    }
    const segments = await cluster.manifest({ name: keyspace, uid }, version);
    const plan = present.plan ?? { ...wanted, units: unitsOf(segments) };
    const done = settings.dryRun
      ? { manifest: { ...wanted, parts: [] }, resumed: 0 }
      : await write(transfer, files, plan, segments);
    const seconds = roundSeconds(progress.elapsedMs);
    const found = { ...summary(done.manifest, done.resumed), seconds };
    return settings.dryRun ? { ...found, files: plan.units.length } : found;
  });
}

function summaryOf(store: ObjectStore, wanted: ExportedVersion, { dryRun }: ExportSettings) {
  const { compress, digest, format, keyBytes, keyspace, records, valueBytes, version } = wanted;
  const dataBytes = keyBytes + valueBytes;
  return ({ parts }: ExportManifest, resumed: number): Omit<ExportSummary, 'seconds'> => ({
    url: store.url,
    keyspace,
    version,
    format,
    compress,
    records,
    dataBytes,
    digest,
    files: parts.length,
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
    resumed,
    dryRun,
  });
}

/** Throws KEYSPACE_NOT_FOUND, VERSION_NOT_FOUND. */
async function wantedVersion(
  { cluster }: Transfer,
  keyspace: string,
  { compress, format, version: number }: ExportSettings,
): Promise<ExportedVersion> {
  const versions = await cluster.versions(keyspace);
  const found = versions.find((one) => (number === 0 ? one.current : one.version === number));
  if (found === undefined) {
    const text =
      number === 0
        ? `Keyspace '${keyspace}' has no version yet; load one first.`
        : `Version ${number} of keyspace '${keyspace}' is not kept; \`stele versions ${keyspace}\` lists those that are.`;
    throw new SteleError('VERSION_NOT_FOUND', text);
  }
  const uid = (await cluster.keyspaces()).find(({ name }) => name === keyspace)?.uid;
  if (uid === undefined) {
    throw new SteleError('KEYSPACE_NOT_FOUND', `There is no keyspace '${shorten(keyspace)}'.`);
  }
  const { digest, keyBytes, records, valueBytes, version } = found;
  const totals = { records, keyBytes, valueBytes, digest: digest.toString('hex') };
  const isParquet = format === 'parquet';
  const text = { key: isParquet, value: isParquet };
  return { keyspace, keyspaceUid: uid, version, ...totals, format, compress, text };
}

/**
 * What an earlier export of the same version has left. Throws CONFLICT if anything else is there.
 */
async function findPresent(
  files: ExportFiles,
  wanted: ExportedVersion,
): Promise<{ manifest?: ExportManifest; plan?: ExportPlan }> {
  const { url } = files.store;
  const manifest = await files.manifest();
  if (manifest !== undefined) {
    if (isSame(manifest, wanted)) return { manifest };
    throw taken(`${url} has an export of ${nameOf(manifest)}; export to another place.`);
  }
  const plan = await files.plan();
  if (plan !== undefined) {
    if (isSame(plan, wanted)) return { plan };
    throw taken(
      `${url} has an unfinished export of ${nameOf(plan)}; finish that with --version ${plan.version} and the same flags, or export to another place.`,
    );
  }
  if (await files.hasParts()) {
    throw taken(`${url} has files called part-..., not by this export; export to another place.`);
  }
  return {};
}

function taken(text: string): SteleError {
  return new SteleError('CONFLICT', text);
}

function isSame(one: ExportedVersion, other: ExportedVersion): boolean {
  return (
    one.keyspaceUid === other.keyspaceUid &&
    one.version === other.version &&
    one.digest === other.digest &&
    one.format === other.format &&
    one.compress === other.compress
  );
}

function nameOf({ compress, format, keyspace, version }: ExportedVersion): string {
  const how = compress === 'none' ? format : `${format}, ${compress}`;
  return `version ${version} of keyspace '${keyspace}' as ${how}`;
}

/**
 * Writes what is left. The columns of Parquet are texts until a record is found that is not: then
 * the export begins again with a binary column, as all files must have the same columns.
 */
async function write(
  transfer: Transfer,
  files: ExportFiles,
  first: ExportPlan,
  segments: readonly HeldSegment[],
): Promise<{ manifest: ExportManifest; resumed: number }> {
  for (let plan = first; ;) {
    await files.putPlan(plan);
    const notes = await files.notes(plan);
    const resumed = [...notes.values()].reduce((sum, { parts }) => sum + parts.length, 0);
    try {
      await writeUnits(transfer, files, plan, segments, notes);
      return { manifest: await finish(files, plan, notes), resumed };
    } catch (thrown) {
      if (!(thrown instanceof ColumnIsBinary)) throw droppedMeanwhile(thrown, plan);
      transfer.notice(`not every ${thrown.column} is UTF-8, so the column becomes binary`);
      plan = { ...plan, text: { ...plan.text, [thrown.column]: false } };
    }
  }
}

function droppedMeanwhile(thrown: unknown, { keyspace, version }: ExportPlan): unknown {
  if (!(thrown instanceof SteleError) || thrown.code !== 'VERSION_NOT_FOUND') return thrown;
  const text = `The export was not finished: version ${version} of keyspace '${keyspace}' was dropped meanwhile; export another one, to another place.`;
  return new SteleError('VERSION_NOT_FOUND', text, { cause: thrown });
}

async function finish(
  files: ExportFiles,
  { units, ...exported }: ExportPlan,
  notes: ReadonlyMap<number, UnitNote>,
): Promise<ExportManifest> {
  const all = units.flatMap((_, index) => notes.get(index) ?? []);
  const digest = new Digest();
  for (const note of all) digest.add(Digest.fromBytes(Buffer.from(note.digest, 'hex')));
  const sumOf = (what: 'records' | 'keyBytes' | 'valueBytes'): number =>
    all.reduce((sum, note) => sum + note[what], 0);
  const isWhole =
    all.length === units.length &&
    digest.toHex() === exported.digest &&
    sumOf('records') === exported.records &&
    sumOf('keyBytes') === exported.keyBytes &&
    sumOf('valueBytes') === exported.valueBytes;
  if (!isWhole) {
    const text = `What was written has ${sumOf('records')} records and the digest ${digest.toHex()}; version ${exported.version} of keyspace '${exported.keyspace}' has ${exported.records} and ${exported.digest}. Remove the files and report this.`;
    throw new SteleError('CORRUPT', text);
  }
  const manifest = { ...exported, parts: all.flatMap(({ parts }) => parts) };
  await files.finish(manifest);
  return manifest;
}
