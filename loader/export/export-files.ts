// What an export writes beside its rows (docs/export.md):
//
//   part-00000.jsonl, part-00001.jsonl ...    rows
//   _stele-export.json                        written last: what they are, with their hashes
//   _stele-export/plan.json                   while it runs: what is exported, and how it is divided
//   _stele-export/00000.json ...              while it runs: the files of a unit that are written
//
// Names that begin with _ are left alone by those who read a folder of part files, Stele as well.
// Invariants: a plan never changes except to one with fewer columns of texts; a note names its
// plan, and counts only for that.

import { createHash } from 'node:crypto';
import { bodyOfBytes, readObject } from '../../archive/open-store.ts';
import type { ObjectStore, StoreCallOptions } from '../../archive/object-store.ts';
import { SteleError } from '../../base/errors.ts';
import type { RowsForm } from '../threads/export-task.ts';
import { isManifest, isNote, isPlan } from './export-json.ts';
import type { ExportManifest, ExportPlan, UnitNote } from './export-json.ts';

const EXPORT_FORMAT = 1;
const MANIFEST_NAME = '_stele-export.json';
const WORK_FOLDER = '_stele-export/';
const PLAN_NAME = `${WORK_FOLDER}plan.json`;
const PART_PREFIX = 'part-';
const NUMBER_DIGITS = 5;
const FURTHER_DIGITS = 3;
const HASH_DIGITS = 32;
/** A manifest of a million files. */
const JSON_BYTES_MAX = 256 * 1024 * 1024;

/** The folder or the prefix that an export goes to. */
export class ExportFiles {
  readonly store: ObjectStore;
  readonly #options: StoreCallOptions;

  constructor(store: ObjectStore, options: StoreCallOptions) {
    this.store = store;
    this.#options = options;
  }

  manifest(): Promise<ExportManifest | undefined> {
    return this.#read(MANIFEST_NAME, isManifest);
  }

  plan(): Promise<ExportPlan | undefined> {
    return this.#read(PLAN_NAME, isPlan);
  }

  /** Whether there are files that look like rows. */
  async hasParts(): Promise<boolean> {
    try {
      for await (const _ of this.store.list(PART_PREFIX, this.#options)) return true;
    } catch (thrown) {
      // A folder that is not there yet.
      if (!(thrown instanceof SteleError) || thrown.code !== 'NOT_FOUND') throw thrown;
    }
    return false;
  }

  /** The files of a finished export that are missing or have another size. */
  async missingOf({ parts }: ExportManifest): Promise<string[]> {
    const sizes = await this.#partSizes();
    return parts.filter(({ bytes, name }) => sizes.get(name) !== bytes).map(({ name }) => name);
  }

  /** Bytes of the files that are there, by name. */
  async #partSizes(): Promise<Map<string, number>> {
    const sizes = new Map<string, number>();
    for await (const { byteCount, name } of this.store.list(PART_PREFIX, this.#options)) {
      sizes.set(name, byteCount);
    }
    return sizes;
  }

  async putPlan(content: ExportPlan): Promise<void> {
    await this.#put(PLAN_NAME, content);
  }

  /** The notes of units whose files are there, by the number of the unit. */
  async notes(content: ExportPlan): Promise<Map<number, UnitNote>> {
    const notes = new Map<number, UnitNote>();
    const sizes = await this.#partSizes();
    if (sizes.size === 0) return notes;
    const names: string[] = [];
    for await (const { name } of this.store.list(WORK_FOLDER, this.#options)) names.push(name);
    for (let unit = 0; unit < content.units.length; unit++) {
      const name = noteName(unit);
      if (!names.includes(name)) continue;
      const found = await this.#read(name, isNote).catch(ifDamaged);
      const isWhole = found?.parts.every((part) => sizes.get(part.name) === part.bytes) === true;
      if (found?.plan === planName(content) && isWhole) notes.set(unit, found);
    }
    return notes;
  }

  async putNote(unit: number, content: UnitNote): Promise<void> {
    await this.#put(noteName(unit), content);
  }

  /** Ends the export: writes the manifest, and removes what only a running one needs. */
  async finish(content: ExportManifest): Promise<void> {
    await this.#put(MANIFEST_NAME, content);
    await this.removeWork();
  }

  /** Removes plan and notes; the plan last, so that what is left is always seen. */
  async removeWork(): Promise<void> {
    const names: string[] = [];
    for await (const { name } of this.store.list(WORK_FOLDER, this.#options)) {
      if (name !== PLAN_NAME) names.push(name);
    }
    await this.store.delete(names, this.#options);
    await this.store.delete([PLAN_NAME], this.#options);
  }

  async #put(name: string, content: object): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify({ exportFormat: EXPORT_FORMAT, ...content })}\n`);
    await this.store.put(name, bodyOfBytes(bytes), this.#options);
  }

  /** Undefined if it is not there. Throws CORRUPT, UNKNOWN_FORMAT. */
  async #read<Content>(
    name: string,
    isContent: (value: unknown) => value is Content,
  ): Promise<Content | undefined> {
    let value: unknown;
    try {
      const bytes = await readObject(this.store, name, JSON_BYTES_MAX, this.#options);
      value = JSON.parse(bytes.toString());
    } catch (thrown) {
      if (thrown instanceof SteleError && thrown.code === 'NOT_FOUND') return undefined;
      if (thrown instanceof SyntaxError) throw this.#damaged(name, thrown);
      throw thrown;
    }
    if (typeof value !== 'object' || value === null) throw this.#damaged(name);
    const { exportFormat } = value as { exportFormat?: unknown };
    if (typeof exportFormat === 'number' && exportFormat > EXPORT_FORMAT) {
      const text = `${this.store.url}: '${name}' is of a later release of Stele; use that, or export to another place.`;
      throw new SteleError('UNKNOWN_FORMAT', text);
    }
    delete (value as { exportFormat?: unknown }).exportFormat;
    if (!isContent(value)) throw this.#damaged(name);
    return value;
  }

  #damaged(name: string, cause?: unknown): SteleError {
    const text = `${this.store.url}: '${name}' is damaged, or not by Stele; remove it, or export to another place.`;
    return new SteleError('CORRUPT', text, { cause });
  }
}

/** Follows from all that a plan says. */
export function planName(content: ExportPlan): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, HASH_DIGITS);
}

/** The name of the file of a unit with this number; those of a large unit are counted from 0. */
export function partName(unit: number, file: number, { compress, format }: RowsForm): string {
  const number = String(unit).padStart(NUMBER_DIGITS, '0');
  const further = file === 0 ? '' : `-${String(file).padStart(FURTHER_DIGITS, '0')}`;
  return `${PART_PREFIX}${number}${further}.${format}${compress === 'gzip' ? '.gz' : ''}`;
}

function noteName(unit: number): string {
  return `${WORK_FOLDER}${String(unit).padStart(NUMBER_DIGITS, '0')}.json`;
}

/** A note that cannot be read costs its unit being written again. */
function ifDamaged(thrown: unknown): undefined {
  if (thrown instanceof SteleError && thrown.code === 'CORRUPT') return undefined;
  throw thrown;
}
