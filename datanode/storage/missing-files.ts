// Notices that files of segments have been removed under the running node (a folder deleted by hand, a disk
// that was mounted over) and writes them again from memory. Reads are not affected; without this, a restart
// would find nothing.
//
// A folder whose modification time has not changed since it was last compared is passed over, so a look at
// all keyspaces costs one `stat` each.

import { sleep } from '../../base/clock.ts';
import { toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Holdings } from './holdings.ts';
import type { NodeIdentity } from '../identity.ts';
import type { DiskStore } from './store.ts';

const CHECK_EVERY_MS = 5000;

export interface MissingFilesOptions {
  readonly holdings: Holdings;
  readonly identity: NodeIdentity;
  readonly store: DiskStore;
  readonly log: Logger;
}

export class MissingFiles {
  readonly #options: MissingFilesOptions;
  /** By uid: the modification time of the folder when all files were there. */
  readonly #complete = new Map<string, number>();
  #error = '';

  constructor(options: MissingFilesOptions) {
    this.#options = options;
  }

  /** Checks every few seconds until `signal` aborts. Failures are logged; nothing stops it. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(CHECK_EVERY_MS, signal);
      try {
        await this.check(signal);
        this.#error = '';
      } catch (thrown) {
        const { code, message } = toSteleError(thrown, 'IO');
        if (message === this.#error || signal.aborted) continue;
        this.#error = message;
        this.#options.log.error({ code }, `missing files were not written again: ${message}`);
      }
    }
  }

  /** Compares what is held with what is on disk, and writes what is missing. Throws IO, DISK_FULL. */
  async check(signal?: AbortSignal): Promise<void> {
    const { holdings, identity, store } = this.#options;
    await store.makeFolders();
    await identity.rewriteIfMissing();
    const uids = holdings.keyspaceUids();
    for (const uid of this.#complete.keys()) if (!uids.includes(uid)) this.#complete.delete(uid);
    for (const uid of uids) {
      if (signal?.aborted === true) return;
      await this.#checkKeyspace(uid);
    }
  }

  async #checkKeyspace(uid: string): Promise<void> {
    const { holdings, log, store } = this.#options;
    const changedAtMs = await store.folderChangedAtMs(uid);
    if (changedAtMs !== undefined && changedAtMs === this.#complete.get(uid)) return;
    // First what is held: a file is there before its segment is held.
    const held = holdings.segmentIdsOf(uid);
    const files = await store.segmentIdsOf(uid);
    const missing = held.filter((id) => !files.has(id) && holdings.has(uid, id));
    if (missing.length > 0) {
      const text =
        'files of segments have been removed from the data folder; they are written again';
      log.error({ keyspace: uid, files: missing.length }, text);
    }
    for (const id of missing) await this.#writeAgain(uid, id);
    if (missing.length === 0 && changedAtMs !== undefined) this.#complete.set(uid, changedAtMs);
  }

  async #writeAgain(uid: string, id: string): Promise<void> {
    const { holdings, store } = this.#options;
    const segment = holdings.get(uid, id);
    if (segment === undefined) {
      // Of a suspended keyspace there was the file alone: another datanode has one.
      holdings.remove(uid, id);
      return;
    }
    await store.write(uid, id, segment.bytes);
    // Dropped meanwhile, with the file that was there then.
    if (!holdings.has(uid, id)) await store.remove(uid, id);
  }
}
