// What a datanode does first: verify every segment file it finds, hold the good, quarantine the bad.
//
// The node is INITIALIZING meanwhile and tells how far it has come. A file of a format that this
// release cannot read is left where it is: an older or newer release may read it.

import { SteleError, toSteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Holdings } from './holdings.ts';
import { readSegmentFile } from './store.ts';
import type { DiskStore, SegmentFile } from './store.ts';
import type { Verifier } from './verifier.ts';

/** Files read and verified at a time. */
const PARALLEL = 4;

export class OpeningScan {
  readonly #store: DiskStore;
  readonly #verifier: Verifier;
  readonly #holdings: Holdings;
  readonly #log: Logger;
  #bytesDone = 0;
  #bytesTotal = 0;
  #quarantined = 0;
  #done = false;
  #stopped = false;

  constructor(store: DiskStore, verifier: Verifier, holdings: Holdings, log: Logger) {
    this.#store = store;
    this.#verifier = verifier;
    this.#holdings = holdings;
    this.#log = log;
  }

  get done(): boolean {
    return this.#done;
  }

  get bytesDone(): number {
    return this.#bytesDone;
  }

  get bytesTotal(): number {
    return this.#bytesTotal;
  }

  get quarantinedTotal(): number {
    return this.#quarantined;
  }

  /** Resolves when every file has been looked at. One bad file never stops the others. */
  async run(): Promise<void> {
    const files = await this.#store.list();
    this.#bytesTotal = files.reduce((sum, file) => sum + file.byteLength, 0);
    const queue = files[Symbol.iterator]();
    const work = async (): Promise<void> => {
      for (const file of queue) {
        if (this.#stopped) return;
        await this.#open(file);
        this.#bytesDone += file.byteLength;
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
    this.#done = !this.#stopped;
    this.#log.info(
      { segments: this.#holdings.count, bytes: this.#bytesDone, quarantined: this.#quarantined },
      'segments verified',
    );
  }

  stop(): void {
    this.#stopped = true;
  }

  async #open(file: SegmentFile): Promise<void> {
    try {
      const bytes = await readSegmentFile(file.path);
      const segment = await this.#verifier.verify(bytes, file);
      this.#holdings.add(file.keyspaceUid, file.segmentId, segment);
    } catch (thrown) {
      const error = toSteleError(thrown, 'IO');
      this.#log.error({ file: file.path, code: error.code, err: error.message }, 'bad segment');
      if (error.code === 'CORRUPT') await this.#quarantine(file, error);
    }
  }

  async #quarantine(file: SegmentFile, reason: SteleError): Promise<void> {
    this.#quarantined++;
    try {
      await this.#store.quarantine(file);
    } catch (thrown) {
      this.#log.error({ file: file.path, reason: reason.message, err: thrown }, 'not quarantined');
    }
  }
}
