// A build in an object store: its mark, the manifests of its tasks and merges (layout.ts).

import { SteleError, toSteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import type { EncodedObject } from '../named-json.ts';
import type { ObjectStore, StoreCallOptions } from '../object-store.ts';
import { bodyOfBytes, readObject, requireConditions } from '../open-store.ts';
import type { BuildMark, BuiltMerge, BuiltTask } from './built.ts';
import {
  BUILD_MARK_NAME,
  decodeBuildMark,
  decodeMerge,
  decodeTask,
  encodeBuildMark,
  encodeMerge,
  encodeTask,
  isMergeName,
  MERGES,
  parseTaskName,
  TASKS,
  taskStem,
} from './layout.ts';

const MARK_BYTES_MAX = 64 * 1024;
/** 16,384 runs of 150 bytes, or 4,096 shards of 500. */
const MANIFEST_BYTES_MAX = 64 * 1024 * 1024;

/** A manifest, or why it cannot be read. */
export interface Found<Manifest> {
  readonly name: string;
  readonly manifest: Manifest | undefined;
  /** A sentence; '' if it was read. */
  readonly trouble: string;
}

export class BuildStore {
  readonly store: ObjectStore;

  constructor(store: ObjectStore) {
    this.store = store;
  }

  /** Undefined if there is no build yet. Throws CORRUPT, UNKNOWN_FORMAT. */
  async mark(options?: StoreCallOptions): Promise<BuildMark | undefined> {
    try {
      return decodeBuildMark(
        await readObject(this.store, BUILD_MARK_NAME, MARK_BYTES_MAX, options),
      );
    } catch (thrown) {
      if (thrown instanceof SteleError && thrown.code === 'NOT_FOUND') return undefined;
      throw thrown;
    }
  }

  /**
   * Throws what `claim` would throw for a keyspace of that name, if that is known without its uid,
   * and what is wrong with the store. Writes nothing that stays.
   */
  async requireFree(keyspace: string, options?: StoreCallOptions): Promise<void> {
    const found = await this.mark(options);
    if (found === undefined) await requireConditions(this.store, options);
    else this.requireOf(found, keyspace);
  }

  /**
   * Writes the mark of a build of `mark.keyspace`, unless the store has it already. Resolves with
   * the mark that is there. Throws CONFLICT if it is of another keyspace, or of one with another
   * uid, UNSUPPORTED for a store in which two builds could overwrite each other's mark.
   */
  async claim(mark: BuildMark, options?: StoreCallOptions): Promise<BuildMark> {
    let found = await this.mark(options);
    if (found === undefined) {
      await requireConditions(this.store, options);
      try {
        const body = bodyOfBytes(encodeBuildMark(mark));
        await this.store.put(BUILD_MARK_NAME, body, { ...options, ifAbsent: true });
        return mark;
      } catch (thrown) {
        if (!(thrown instanceof SteleError) || thrown.code !== 'CONFLICT') throw thrown;
        found = (await this.mark(options)) ?? mark;
      }
    }
    this.requireOf(found, mark.keyspace);
    if (found.keyspaceUid === mark.keyspaceUid && found.shardCount === mark.shardCount) {
      return found;
    }
    throw new SteleError(
      'CONFLICT',
      `${this.store.url} is a build of a keyspace '${shorten(mark.keyspace)}' with uid ${found.keyspaceUid} and ${found.shardCount} shards; the cluster's has uid ${mark.keyspaceUid} and ${mark.shardCount} shards: it was dropped and created again, or the cluster is another one. Build into another URL.`,
    );
  }

  /** Throws CONFLICT unless the mark is of that keyspace. */
  requireOf(found: BuildMark, keyspace: string): void {
    if (found.keyspace === keyspace) return;
    throw new SteleError(
      'CONFLICT',
      `${this.store.url} is a build of the keyspace '${shorten(found.keyspace)}', not of '${shorten(keyspace)}'; name that one, or another URL.`,
    );
  }

  /** Writes the manifest of a task, whose runs are there. */
  async putTask(task: BuiltTask, options?: StoreCallOptions): Promise<void> {
    await this.#put(encodeTask(task), options);
  }

  /** Writes the manifest of a merge, whose segments are there. */
  async putMerge(merge: BuiltMerge, options?: StoreCallOptions): Promise<void> {
    await this.#put(encodeMerge(merge), options);
  }

  /** The names of the manifests of all tasks, by the number of tasks and the task. */
  async taskNames(options?: StoreCallOptions): Promise<Map<number, Map<number, string[]>>> {
    const all = new Map<number, Map<number, string[]>>();
    for await (const { name } of this.store.list(TASKS, options)) {
      const found = parseTaskName(name);
      if (found === undefined) continue;
      const ofCount = all.get(found.tasks) ?? new Map<number, string[]>();
      ofCount.set(found.task, [...(ofCount.get(found.task) ?? []), name]);
      all.set(found.tasks, ofCount);
    }
    return all;
  }

  /** The manifests of all attempts of one task. */
  async attempts(
    tasks: number,
    task: number,
    options?: StoreCallOptions,
  ): Promise<Found<BuiltTask>[]> {
    const found: Found<BuiltTask>[] = [];
    for await (const { name } of this.store.list(taskStem(tasks, task), options)) {
      if (parseTaskName(name) !== undefined) found.push(await this.task(name, options));
    }
    return found;
  }

  /** Throws what the store throws, and UNKNOWN_FORMAT. */
  async task(name: string, options?: StoreCallOptions): Promise<Found<BuiltTask>> {
    return await this.#read(name, decodeTask, options);
  }

  async merges(options?: StoreCallOptions): Promise<Found<BuiltMerge>[]> {
    const found: Found<BuiltMerge>[] = [];
    for await (const { name } of this.store.list(MERGES, options)) {
      if (isMergeName(name)) found.push(await this.#read(name, decodeMerge, options));
    }
    return found;
  }

  async #read<Manifest>(
    name: string,
    decode: (name: string, bytes: Buffer) => Manifest,
    options?: StoreCallOptions,
  ): Promise<Found<Manifest>> {
    try {
      const bytes = await readObject(this.store, name, MANIFEST_BYTES_MAX, options);
      return { name, manifest: decode(name, bytes), trouble: '' };
    } catch (thrown) {
      const error = toSteleError(thrown);
      if (error.code !== 'CORRUPT' && error.code !== 'NOT_FOUND') throw error;
      return { name, manifest: undefined, trouble: error.message };
    }
  }

  async #put({ bytes, name }: EncodedObject, options?: StoreCallOptions): Promise<void> {
    await this.store.put(name, bodyOfBytes(bytes), options);
  }
}
