// Detects segment files that were removed while the node is running (a folder deleted by hand,
// another disk mounted over it) and writes them again from memory. Reads are not affected; but
// without this, a restart would find nothing.
//
// A folder whose modification time is unchanged since the last comparison is skipped, so checking
// all keyspaces costs one `stat` each.

import { sleep } from '../../base/clock.ts';
import { toSteleError } from '../../base/errors.ts';
import type { Env } from '../../base/env.ts';
import type { Logger } from '../../base/log.ts';
import type { Holdings } from './holdings.ts';
import type { NodeIdentity } from '../identity.ts';
import type { DiskStore } from './store.ts';

const CHECK_EVERY_MS = 5000;

export interface MissingFilesOptions {
  readonly holdings: Holdings;
  readonly identity: NodeIdentity;
  readonly store: DiskStore;
  readonly env: Env;
  readonly log: Logger;
}

export class MissingFiles {
  readonly #options: MissingFilesOptions;
  /** Modification time of each keyspace's folder when all files were there, by uid. */
  readonly #complete = new Map<string, number>();
  #error = '';

  constructor(options: MissingFilesOptions) {
    this.#options = options;
  }

  /** Checks every few seconds until `signal` aborts. Failures are logged and do not stop it. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(CHECK_EVERY_MS, signal, this.#options.env);
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

  /**
   * Compares the holdings with the files, and writes those that are missing. Throws IO, DISK_FULL.
   */
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
    // Reads the holdings first, because a file exists before its segment is held.
    const held = holdings.segmentIdsOf(uid);
    const files = await store.segmentIdsOf(uid);
    const missing = held.filter((id) => !files.has(id) && holdings.has(uid, id));
    if (missing.length > 0) {
      const text = 'segment files were removed from the data folder; they are written again';
      log.error({ keyspace: uid, files: missing.length }, text);
    }
    for (const id of missing) await this.#writeAgain(uid, id);
    if (missing.length === 0 && changedAtMs !== undefined) this.#complete.set(uid, changedAtMs);
  }

  async #writeAgain(uid: string, id: string): Promise<void> {
    const { holdings, store } = this.#options;
    const segment = holdings.get(uid, id);
    if (segment === undefined) {
      // Parked or of the disk tier, it had only its file; another datanode has a copy.
      holdings.remove(uid, id);
      return;
    }
    await store.write(uid, id, segment.bytes);
    // The segment was dropped in the meantime, with the file that was there then.
    if (!holdings.has(uid, id)) await store.remove(uid, id);
  }
}
