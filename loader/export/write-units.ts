// Writes the units of an export: fetches their segments from datanodes, checked in full, and puts
// their records as files into the store.

import { bodyOfBytes } from '../../archive/open-store.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { collectGarbage } from '../../base/process/free-memory.ts';
import { Digest } from '../../segment/digest.ts';
import { Semaphore, forEachBounded } from '../bytes/bounded.ts';
import type { RecordPlace } from '../threads/export-task.ts';
import type { TextColumns } from '../threads/rows/parquet-rows.ts';
import type { HeldSegment } from '../transfer/cluster-client.ts';
import type { Transfer } from '../transfer/open-transfer.ts';
import { inRounds } from '../transfer/rounds.ts';
import type { Round } from '../transfer/rounds.ts';
import { EXPORT_MEMORY_BYTES } from '../transfer/settings.ts';
import { SegmentSources } from '../transfer/segment-sources.ts';
import { partName, planName } from './export-files.ts';
import type { ExportFiles } from './export-files.ts';
import type { ExportPart, ExportPlan, UnitNote } from './export-json.ts';
import { FILE_BYTES, chainsOf } from './units.ts';
import type { Unit } from './units.ts';

/** A record is not UTF-8, in a column that the plan calls one of texts. */
export class ColumnIsBinary extends Error {
  readonly column: keyof TextColumns;

  constructor(column: keyof TextColumns) {
    super(`The column ${column} is binary.`);
    this.column = column;
  }
}

/**
 * Writes the units that `notes` lacks, and adds theirs. Rejects with VERSION_NOT_FOUND if the
 * version is dropped meanwhile, ColumnIsBinary, and the failures of the store.
 */
export async function writeUnits(
  transfer: Transfer,
  files: ExportFiles,
  plan: ExportPlan,
  segments: readonly HeldSegment[],
  notes: Map<number, UnitNote>,
): Promise<void> {
  const sources = new SegmentSources(transfer);
  const writing = new UnitWriter(transfer, files, plan, sources);
  let present = segments;
  const round = (): Promise<Round> => writing.writeAll(present, notes);
  try {
    await inRounds(transfer, round, async () => {
      const { keyspace: name, keyspaceUid: uid, version } = plan;
      present = await transfer.cluster.manifest({ name, uid }, version);
    });
  } finally {
    sources.close();
  }
}

interface Work {
  readonly index: number;
  readonly chains: readonly HeldSegment[][];
  readonly fileBytes: number;
}

class UnitWriter {
  readonly #transfer: Transfer;
  readonly #files: ExportFiles;
  readonly #plan: ExportPlan;
  readonly #sources: SegmentSources;

  constructor(transfer: Transfer, files: ExportFiles, plan: ExportPlan, sources: SegmentSources) {
    this.#transfer = transfer;
    this.#files = files;
    this.#plan = plan;
    this.#sources = sources;
  }

  async writeAll(segments: readonly HeldSegment[], notes: Map<number, UnitNote>): Promise<Round> {
    const { progress, settings, stop } = this.#transfer;
    const left = this.#plan.units.flatMap((unit, index) =>
      notes.has(index) ? [] : [workOf(index, unit, segments)],
    );
    const bytes = left.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
    progress.begin('write', left.length, bytes);
    const memory = new Semaphore(EXPORT_MEMORY_BYTES);
    const failures: SteleError[] = [];
    let binary: ColumnIsBinary | undefined;
    const untilBinary = function* (): Generator<Work> {
      for (const work of left) if (binary === undefined) yield work;
    };
    await forEachBounded(untilBinary(), settings.transfers, stop, async (work) => {
      const reserved = memoryFor(work);
      await memory.acquire(reserved);
      try {
        const merged = await this.#fetchAll(work).catch((thrown: unknown) => {
          if (stop.signal.aborted) throw thrown;
          failures.push(toSteleError(thrown));
          return undefined;
        });
        if (merged === undefined) return;
        const note = await this.#writeUnit(work.index, merged);
        if (note instanceof ColumnIsBinary) {
          binary = note;
          return;
        }
        await this.#files.putNote(work.index, note);
        notes.set(work.index, note);
        progress.done(work.fileBytes);
      } finally {
        collectGarbage();
        memory.release(reserved);
      }
    });
    if (stop.signal.aborted) throw new SteleError('CANCELLED', 'The export was stopped.');
    if (binary !== undefined) throw binary;
    return { done: left.length - failures.length, failures };
  }

  /** The newest records of each shard. */
  async #fetchAll({ chains }: Work): Promise<SharedArrayBuffer[]> {
    const { pool } = this.#transfer;
    const { keyspaceUid } = this.#plan;
    const merged: SharedArrayBuffer[] = [];
    for (const chain of chains) {
      const fetched: SharedArrayBuffer[] = [];
      for (const { holders, info } of chain) {
        const check = async (bytes: SharedArrayBuffer): Promise<SharedArrayBuffer> => {
          const segment = { bytes, id: info.id, keyspaceUid, shardCount: undefined };
          await pool.run({ segments: [segment], rowsPath: '' });
          return bytes;
        };
        fetched.push(await this.#sources.fetch({ holders, info, keyspaceUid }, check));
      }
      const [only] = fetched;
      merged.push(only !== undefined && fetched.length === 1 ? only : await pool.merge(fetched));
    }
    return merged;
  }

  async #writeUnit(
    index: number,
    segments: readonly SharedArrayBuffer[],
  ): Promise<UnitNote | ColumnIsBinary> {
    const { paced, pool } = this.#transfer;
    const { compress, format, text } = this.#plan;
    const form = { compress, format, text };
    const digest = new Digest();
    const sum = { records: 0, keyBytes: 0, valueBytes: 0 };
    const parts: ExportPart[] = [];
    let from: RecordPlace | undefined = { segment: 0, offset: 0 };
    while (from !== undefined) {
      const written = await pool.write({ segments, from, form, bytesMax: FILE_BYTES });
      if ('notText' in written) return new ColumnIsBinary(written.notText);
      const { bytes, keyBytes, records, sha256, valueBytes } = written;
      const name = partName(index, parts.length, form);
      await this.#files.store.put(name, bodyOfBytes(Buffer.from(bytes)), paced);
      parts.push({ name, rows: records, bytes: bytes.byteLength, sha256 });
      digest.add(Digest.fromBytes(written.digest));
      sum.records += records;
      sum.keyBytes += keyBytes;
      sum.valueBytes += valueBytes;
      from = written.next;
    }
    return { ...sum, digest: digest.toHex(), plan: planName(this.#plan), parts };
  }
}

function workOf(index: number, unit: Unit, segments: readonly HeldSegment[]): Work {
  const chains = chainsOf(unit, segments);
  const fileBytes = chains.flat().reduce((sum, { info }) => sum + info.fileBytes, 0);
  return { index, chains, fileBytes };
}

/** The segments, as much again for what is merged, and a file with the copy that is sent. */
function memoryFor({ chains, fileBytes }: Work): number {
  const isMerged = chains.some((chain) => chain.length > 1);
  return fileBytes * (isMerged ? 2 : 1) + 2 * Math.min(fileBytes, FILE_BYTES);
}
