// Remembers across restarts which segment files have passed the full check, by their seals
// (verify-steps.ts):
//
//   <data-dir>/verified   one line per segment: `2 <keyspace uid> <segment id> <seal>`
//
// The first word is the version of the check's rules; lines of other versions are ignored. A
// segment that is missing in the file is checked in full at the next start, so the file is never
// synced, and a failed write is harmless.

import { join } from 'node:path';
import type { BackgroundTasks } from '../../base/background.ts';
import { systemErrorCode } from '../../base/errors.ts';
import { systemFiles } from '../../base/disk/files.ts';
import type { Files } from '../../base/disk/files.ts';

/**
 * Version of the full check (segment/verify.ts). It rises whenever the check learns to find another
 * fault.
 */
const RULES = '2';
/** Outdated lines, in addition to one per segment, before the file is rewritten. */
const OLD_LINES_MAX = 1000;

interface SegmentPlace {
  readonly keyspaceUid: string;
  readonly segmentId: string;
}

export class VerifiedFiles {
  readonly #path: string;
  readonly #background: BackgroundTasks;
  readonly #files: Files;
  /** Seals by `uid id`. */
  readonly #seals = new Map<string, string>();
  #lineCount = 0;
  #pending = '';
  #isWriting = false;

  /** `folder` is the datanode's data folder. */
  constructor(folder: string, background: BackgroundTasks, files = systemFiles) {
    this.#path = join(folder, 'verified');
    this.#background = background;
    this.#files = files;
  }

  /** Reads the file; one that is missing or unreadable counts as empty. */
  async open(): Promise<void> {
    let text = '';
    try {
      text = (await this.#files.readFile(this.#path)).toString();
    } catch (thrown) {
      if (systemErrorCode(thrown) === undefined) throw thrown;
    }
    for (const line of text.split('\n')) {
      const [rules, uid, id, seal, ...more] = line.split(' ');
      this.#lineCount++;
      if (rules !== RULES || seal?.length !== 64 || more.length > 0) continue;
      this.#seals.set(`${uid} ${id}`, seal);
    }
    // Ends a line that a crash has cut off.
    if (text !== '' && !text.endsWith('\n')) this.#pending = '\n';
  }

  /** The seal of the bytes that passed the full check under this name; empty if none did. */
  knownSeal({ keyspaceUid, segmentId }: SegmentPlace): string {
    return this.#seals.get(`${keyspaceUid} ${segmentId}`) ?? '';
  }

  /** Remembers bytes that have passed the full check. */
  add({ keyspaceUid, segmentId }: SegmentPlace, seal: string): void {
    const name = `${keyspaceUid} ${segmentId}`;
    if (this.#seals.get(name) === seal) return;
    this.#seals.set(name, seal);
    this.#lineCount++;
    this.#pending += lineOf(name, seal);
    this.#write();
  }

  forget({ keyspaceUid, segmentId }: SegmentPlace): void {
    this.#seals.delete(`${keyspaceUid} ${segmentId}`);
  }

  #write(): void {
    if (this.#isWriting || this.#pending === '') return;
    this.#isWriting = true;
    this.#background.run('note verified segments', async () => {
      try {
        await this.#writePending();
      } finally {
        this.#isWriting = false;
      }
      this.#write();
    });
  }

  async #writePending(): Promise<void> {
    const text = this.#pending;
    this.#pending = '';
    if (this.#lineCount <= 2 * this.#seals.size + OLD_LINES_MAX) {
      await this.#files.appendFile(this.#path, text);
      return;
    }
    const lines = [...this.#seals].map(([name, seal]) => lineOf(name, seal));
    this.#lineCount = lines.length;
    await this.#files.writeFile(`${this.#path}.tmp`, lines.join(''));
    await this.#files.rename(`${this.#path}.tmp`, this.#path);
  }
}

function lineOf(name: string, seal: string): string {
  return `${RULES} ${name} ${seal}\n`;
}
