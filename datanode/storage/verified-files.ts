// Which segment files have passed the full check, by their seals (verify-steps.ts), over restarts:
//
//   <data-dir>/verified   one line a segment: `2 <keyspace uid> <segment id> <seal>`
//
// The first word is the number of the rules that the check followed; lines of other rules say nothing. What is
// not in the file is checked in full at the next start, so it is never synced, and a failed write is harmless.

import { appendFile, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackgroundTasks } from '../../base/background.ts';
import { systemErrorCode } from '../../base/errors.ts';

/** Counts up whenever the full check (segment/verify.ts) finds something that it did not find before. */
const RULES = '2';
/** Lines of segments that are gone, beyond as many as there are, before the file is written again. */
const OLD_LINES_MAX = 1000;

interface SegmentPlace {
  readonly keyspaceUid: string;
  readonly segmentId: string;
}

export class VerifiedFiles {
  readonly #path: string;
  readonly #background: BackgroundTasks;
  /** `uid id` -> seal. */
  readonly #seals = new Map<string, string>();
  #lineCount = 0;
  #pending = '';
  #isWriting = false;

  /** `folder` is the datanode's data folder. */
  constructor(folder: string, background: BackgroundTasks) {
    this.#path = join(folder, 'verified');
    this.#background = background;
  }

  /** Reads the file; one that is not there, or cannot be read, says nothing. */
  async open(): Promise<void> {
    let text = '';
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (thrown) {
      if (systemErrorCode(thrown) === undefined) throw thrown;
    }
    for (const line of text.split('\n')) {
      const [rules, uid, id, seal, ...more] = line.split(' ');
      this.#lineCount++;
      if (rules !== RULES || seal?.length !== 64 || more.length > 0) continue;
      this.#seals.set(`${uid} ${id}`, seal);
    }
    // A line that a crash has cut off ends here.
    if (text !== '' && !text.endsWith('\n')) this.#pending = '\n';
  }

  /** The seal of the bytes that passed the full check under this name; empty: none did. */
  sealOf({ keyspaceUid, segmentId }: SegmentPlace): string {
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
      await appendFile(this.#path, text);
      return;
    }
    const lines = [...this.#seals].map(([name, seal]) => lineOf(name, seal));
    this.#lineCount = lines.length;
    await writeFile(`${this.#path}.tmp`, lines.join(''));
    await rename(`${this.#path}.tmp`, this.#path);
  }
}

function lineOf(name: string, seal: string): string {
  return `${RULES} ${name} ${seal}\n`;
}
