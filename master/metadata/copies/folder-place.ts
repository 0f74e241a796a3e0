// The catalog in a master's data folder, while no master has it in use.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { lockFolder, lockHolder } from '../../../base/disk/folder-lock.ts';
import { SteleError, toSteleError } from '../../../base/errors.ts';
import { checkStore } from '../store-check.ts';
import { MetadataStore } from '../store.ts';
import { summaryOf } from './content.ts';
import type { CatalogContent } from './content.ts';
import type { Place } from './place.ts';

export class FolderPlace implements Place {
  readonly #folder: string;
  readonly #storeFolder: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.#storeFolder = join(folder, 'metadata');
  }

  async read(): Promise<CatalogContent> {
    // The lock would create the folder.
    if (!existsSync(this.#folder)) throw this.#noCatalog('the folder does not exist');
    return this.#locked(async () => {
      const content = await this.#readStore();
      if (content.entries.length > 0) return content;
      if (this.#backups().length > 0) throw this.#damaged('its store is missing');
      throw this.#noCatalog('no master was ever started on it');
    });
  }

  /** One would hold the lock. */
  async leader(): Promise<undefined> {
    return undefined;
  }

  put(content: CatalogContent): Promise<void> {
    return this.#locked(async () => {
      const { entries: found } = await this.#readStore();
      if (found.length > 0) throw this.#taken(`a catalog with ${found.length} entries`);
      const [backup] = this.#backups();
      if (backup !== undefined) throw this.#taken(`the backup of a catalog (${backup})`);
      const store = new MetadataStore(this.#storeFolder);
      try {
        const changes = content.entries.map((entry) => [entry.key, entry] as const);
        if (!(await store.commit(content.revision, changes, content.restored))) {
          throw this.#taken('a catalog that another process is writing');
        }
      } finally {
        await store.close();
      }
      const after = await this.#readStore();
      if (summaryOf(after.entries).digest === summaryOf(content.entries).digest) return;
      throw new SteleError(
        'CORRUPT',
        `The catalog in ${this.#folder} is not what was written; start no master there, and use another folder on another disk.`,
      );
    });
  }

  close(): void {
    // Nothing is open between calls.
  }

  async #locked<Result>(work: () => Promise<Result>): Promise<Result> {
    const holder = lockHolder(this.#folder);
    if (holder !== undefined) {
      const { pid, role, since } = holder;
      const who = pid === 0 ? 'another process' : `${role} process ${pid} (since ${since})`;
      throw new SteleError(
        'LOCKED',
        `The folder ${this.#folder} is in use by ${who}, so its catalog may change at any moment; stop that process first.`,
      );
    }
    const lock = lockFolder(this.#folder, 'metadata');
    try {
      return await work();
    } finally {
      lock.release();
    }
  }

  /** Without entries if there is no store. Throws CORRUPT. */
  async #readStore(): Promise<CatalogContent> {
    const condition = checkStore(this.#storeFolder);
    if (condition.kind === 'absent') return { revision: 0, entries: [], restored: false };
    if (condition.kind === 'damaged') throw this.#damaged(condition.reason);
    let store: MetadataStore;
    try {
      store = new MetadataStore(this.#storeFolder, true);
    } catch (thrown) {
      throw this.#damaged(toSteleError(thrown).message);
    }
    try {
      return { ...store.readAll(), restored: store.isRestored };
    } catch (thrown) {
      throw this.#damaged(toSteleError(thrown).message);
    } finally {
      await store.close();
    }
  }

  #backups(): string[] {
    return readdirSync(this.#folder).filter((name) => name.startsWith('catalog-backup'));
  }

  #noCatalog(reason: string): SteleError {
    return new SteleError(
      'NOT_FOUND',
      `There is no catalog in dir:${this.#folder} (${reason}); give the --data-dir of the master, which \`stele up\` keeps in the folder \`master\` of its own.`,
    );
  }

  #taken(what: string): SteleError {
    return new SteleError(
      'CONFLICT',
      `The folder ${this.#folder} has ${what} already, and nothing is overwritten; choose another folder, or move that one away.`,
    );
  }

  #damaged(reason: string): SteleError {
    return new SteleError(
      'CORRUPT',
      `The catalog in ${this.#folder} cannot be read (${reason}); start a master on that folder once, which restores it from its catalog-backup files, and stop it again.`,
    );
  }
}
