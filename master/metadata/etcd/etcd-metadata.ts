// The metadata port on etcd, for the master that leads.
//
// Every transaction checks, in the same transaction of etcd, that this master's leader key is still
// the one it was elected with (the fence), and that the marker is as this master left it; and it
// writes the marker again. So the transactions of all leaders stand in one row, and one of a master
// that was replaced is refused, whenever it arrives.
//
//   answer                         what follows
//   succeeded                      committed
//   refused: fence                 another master leads: everything is refused from now on
//   refused: marker                CONFLICT: another process uses the prefix; as above
//   UNAVAILABLE                    nothing was changed: the caller may try again
//   unknown (the answer is lost)   settle: the marker is written once more, under the condition that
//                                  it is as before. If that succeeds, the lost transaction can never
//                                  be made, and is sent again. If not, the marker says whether it was
//                                  made. Until etcd answers, the caller's promise stays pending.
//
// Large values are cut into pieces, which are written before the entry that names them. A
// transaction of more steps than one of etcd may have is written to the journal: it is committed
// with that one put, and applied in steps afterwards, by this master or the next one.
//
// Who restores etcd deletes the marker: then the next leader knows that the catalog may lack the
// last changes, and keeps saying so in the marker until its first transaction, which skips numbers,
// is made.
//
// Invariants: one transaction at a time; a piece is there before an entry names it, and is removed
// only after none does; nothing is written without the fence.

import { SteleError, toSteleError } from '../../../base/errors.ts';
import { Turns, sleep } from '../../../base/clock.ts';
import type { Env } from '../../../base/env.ts';
import { changing } from '../port.ts';
import type { ChangingWrite, Entry, Metadata, Write } from '../port.ts';
import type { EtcdApi, EtcdCompare, EtcdEvent, EtcdOperation } from './api.ts';
import { LargeValues, readPieces } from './large-values.ts';
import { endOf, loadValue, piecesOf } from './layout.ts';
import type { EtcdLayout } from './layout.ts';
import { foreign, replaced, spaceErrorOf, unavailable, unknown } from './store-errors.ts';
import { RESTORED, isOfRestore } from './stored-catalog.ts';
import type { Step } from './stored-catalog.ts';

const SETTLE_AGAIN_MS = 200;
/** Pieces written at a time. */
const PIECES_PARALLEL = 4;
const TOKENS_MAX = 1_000;

/** Proof of leadership: the leader key must have been created at this revision. */
export interface Fence {
  readonly key: string;
  readonly createRevision: number;
}

export interface EtcdMetadataOptions {
  readonly api: EtcdApi;
  readonly layout: EtcdLayout;
  readonly fence: Fence;
  readonly env: Env;
  /** Large values that were read before. */
  readonly values?: LargeValues;
  /** Called once: this master no longer leads, or something else writes to the prefix. */
  readonly onLost: (why: SteleError) => void;
}

export class EtcdMetadata implements Metadata {
  #restored = false;
  readonly #options: EtcdMetadataOptions;
  /** By key of the catalog. */
  readonly #revisions = new Map<string, number>();
  /** By piece: the number of entries that name it. */
  readonly #references = new Map<string, number>();
  /** By key of the catalog: the pieces of its value. */
  readonly #pieces = new Map<string, readonly string[]>();
  /** The revision of the marker. */
  #marker = 0;
  #last: Promise<unknown> = Promise.resolve();
  /** What this master wrote into the marker lately. */
  readonly #tokens = new Set<string>();
  #watch: { close(): void } | undefined;
  #lost: SteleError | undefined;
  #closed = false;

  /**
   * Takes the store over for the leader that `fence` names: completes what its predecessor has
   * committed, reads everything, and removes pieces that nothing names. Throws UNAVAILABLE,
   * CORRUPT, and CONFLICT if the fence does not hold.
   */
  static async open(options: EtcdMetadataOptions): Promise<EtcdMetadata> {
    const metadata = new EtcdMetadata(options);
    await metadata.#enqueue(() => metadata.#takeOver());
    metadata.#watchForeign();
    return metadata;
  }

  private constructor(options: EtcdMetadataOptions) {
    this.#options = options;
  }

  /** Whether no transaction was made since etcd was restored. */
  get restored(): boolean {
    return this.#restored;
  }

  /** Reads from etcd, as the catalog keeps what it has read itself. */
  list(prefix: string): Promise<Entry[]> {
    return this.#enqueue(async () => {
      const { api, layout } = this.#options;
      const from = `${layout.catalog}${prefix}`;
      const { entries } = await api.range(from, endOf(from));
      const stored = entries.map(({ key: full, value }) => {
        const key = full.slice(layout.catalog.length);
        return { key, text: value.toString(), revision: this.#revisions.get(key) ?? 0 };
      });
      return (this.#options.values ?? new LargeValues(api, layout)).entriesOf(stored);
    });
  }

  transaction(writes: readonly Write[]): Promise<number | undefined> {
    return this.#enqueue(async () => {
      const holds = writes.every(
        ({ key, expect }) => expect === undefined || expect === (this.#revisions.get(key) ?? 0),
      );
      return holds ? this.#write(changing(writes)) : undefined;
    });
  }

  /** Fills an empty store, in one transaction. `restored`: with the content of a backup. */
  async putAll(entries: readonly Entry[], restored: boolean): Promise<void> {
    const writes = entries.map(({ key, value }) => ({ kind: 'put', key, value }) as const);
    await this.#enqueue(() => this.#write(writes, restored));
  }

  /** A transaction whose outcome is not known by then rejects with OUTCOME_UNKNOWN. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#watch?.close();
    await this.#last;
  }

  #enqueue<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(() => {
      if (this.#lost !== undefined) throw this.#lost;
      if (this.#closed) throw new SteleError('UNAVAILABLE', 'The metadata store is closed.');
      return work();
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #takeOver(): Promise<void> {
    const { api, layout } = this.#options;
    const [marker] = (await api.range(layout.marker)).entries;
    this.#marker = marker?.modRevision ?? 0;
    this.#restored = isOfRestore(marker, marker === undefined && (await this.#hasEntries()));
    await this.#commit([], this.#newToken());
    const { entries: journals } = await api.range(layout.journal);
    const journal = journals[0]?.value.toString();
    if (journal !== undefined) await this.#applyJournal(await this.#journalOf(journal));
    const { entries } = await api.range(layout.catalog, endOf(layout.catalog));
    for (const { key: full, modRevision, value } of entries) {
      const key = full.slice(layout.catalog.length);
      this.#revisions.set(key, modRevision);
      this.#refer(key, piecesOf(value.toString()));
    }
    const pieces = await api.range(layout.pieces, endOf(layout.pieces), { keysOnly: true });
    const hashes = pieces.entries.map(({ key }) => key.slice(layout.pieces.length));
    await this.#removePieces(hashes);
  }

  async #hasEntries(): Promise<boolean> {
    const { api, layout } = this.#options;
    const { entries } = await api.range(layout.catalog, endOf(layout.catalog), {
      limit: 1,
      keysOnly: true,
    });
    return entries.length > 0;
  }

  /** Gives the lead up when something is changed that this master did not change. */
  #watchForeign(): void {
    if (this.#closed || this.#lost !== undefined) return;
    const { api, env, layout } = this.#options;
    this.#watch = api.watch(layout.catalog, `${layout.marker}\0`, this.#marker + 1, {
      onEvents: (events) => {
        if (!this.#isOwn(events)) this.#lose(foreign());
      },
      // Compacted: what was changed meanwhile is not looked at.
      onEnd: () => void env.after(SETTLE_AGAIN_MS, () => this.#watchForeign()),
    });
  }

  /** Whether a revision is a transaction of this master, or changes nothing of the catalog. */
  #isOwn(events: readonly EtcdEvent[]): boolean {
    const { layout } = this.#options;
    let isOfCatalog = false;
    for (const event of events) {
      const key = event.kind === 'put' ? event.entry.key : event.key;
      const isMarker = event.kind === 'put' && key === layout.marker;
      if (isMarker && this.#tokens.has(event.entry.value.toString())) return true;
      isOfCatalog ||= key === layout.journal || key.startsWith(layout.catalog);
    }
    return !isOfCatalog;
  }

  async #journalOf(text: string): Promise<Step[]> {
    const { api, layout } = this.#options;
    const pieces = await readPieces(api, layout, piecesOf(text));
    return JSON.parse(loadValue(layout.journal, text, (hash) => pieces.get(hash))) as Step[];
  }

  async #write(
    writes: readonly ChangingWrite[],
    restored = writes.length === 0 && this.#restored,
  ): Promise<number> {
    const { layout } = this.#options;
    const steps: Step[] = [];
    const wanted = new Map<string, Buffer>();
    const turns = new Turns();
    for (const write of writes) {
      if (write.kind === 'delete') {
        steps.push({ key: write.key, text: undefined });
        continue;
      }
      const { pieces, text } = layout.storeValue(write.value);
      for (const [hash, bytes] of pieces) wanted.set(hash, bytes);
      steps.push({ key: write.key, text });
      await turns.after(write.value.length);
    }
    if (steps.length <= layout.limits.operations) {
      await this.#writePieces(wanted);
      const operations = steps.map((step) => this.#operationOf(step));
      const revision = await this.#commit(operations, this.#newToken(restored));
      this.#restored = restored;
      this.#apply(writes, steps, revision);
      return revision;
    }
    const journal = layout.storeValue(JSON.stringify(steps));
    for (const [hash, bytes] of journal.pieces) wanted.set(hash, bytes);
    await this.#writePieces(wanted);
    const put: EtcdOperation = { kind: 'put', key: layout.journal, value: journal.text };
    const revision = await this.#commit([put], this.#newToken(restored));
    this.#restored = restored;
    await this.#applyJournal(steps);
    this.#apply(writes, steps, revision, [...journal.pieces.keys()]);
    return revision;
  }

  /** Applies a committed transaction; repeating it changes nothing. */
  async #applyJournal(steps: readonly Step[]): Promise<void> {
    const { layout } = this.#options;
    const max = layout.limits.operations;
    for (let at = 0; at < steps.length; at += max) {
      const part = steps.slice(at, at + max);
      await this.#persist(part.map((step) => this.#operationOf(step)));
    }
    await this.#persist([{ kind: 'delete', key: layout.journal }]);
  }

  /** As #commit, until it is done: what is committed must be applied before anything else. */
  async #persist(operations: readonly EtcdOperation[]): Promise<void> {
    for (;;) {
      try {
        await this.#commit(operations, this.#newToken());
        return;
      } catch (thrown) {
        if (this.#lost !== undefined) throw thrown;
        await sleep(SETTLE_AGAIN_MS, undefined, this.#options.env);
      }
    }
  }

  #operationOf({ key, text }: Step): EtcdOperation {
    const full = `${this.#options.layout.catalog}${key}`;
    return text === undefined
      ? { kind: 'delete', key: full }
      : { kind: 'put', key: full, value: text };
  }

  /** After the commit: memory, and the pieces that nothing names any more. */
  #apply(
    writes: readonly ChangingWrite[],
    steps: readonly Step[],
    revision: number,
    also: readonly string[] = [],
  ): void {
    const before = new Set(also);
    for (const write of writes) {
      for (const hash of this.#pieces.get(write.key) ?? []) before.add(hash);
      if (write.kind === 'delete') this.#revisions.delete(write.key);
      else this.#revisions.set(write.key, revision);
    }
    for (const { key, text } of steps) this.#refer(key, text === undefined ? [] : piecesOf(text));
    if ([...before].every((hash) => this.#references.has(hash))) return;
    // The caller does not wait for this. A failure leaves garbage, which the next leader removes.
    this.#enqueue(() => this.#removePieces([...before])).catch(() => undefined);
  }

  #refer(key: string, pieces: readonly string[]): void {
    for (const hash of pieces) this.#references.set(hash, (this.#references.get(hash) ?? 0) + 1);
    for (const hash of this.#pieces.get(key) ?? []) {
      const left = (this.#references.get(hash) ?? 1) - 1;
      if (left === 0) this.#references.delete(hash);
      else this.#references.set(hash, left);
    }
    if (pieces.length === 0) this.#pieces.delete(key);
    else this.#pieces.set(key, pieces);
  }

  async #writePieces(pieces: ReadonlyMap<string, Buffer>): Promise<void> {
    const { layout } = this.#options;
    const queue = [...pieces].filter(([hash]) => !this.#references.has(hash)).values();
    const work = async (): Promise<void> => {
      for (const [hash, value] of queue) {
        await this.#fenced([{ kind: 'put', key: `${layout.pieces}${hash}`, value }]);
      }
    };
    await Promise.all(Array.from({ length: PIECES_PARALLEL }, work));
  }

  /**
   * Removes those of the pieces that nothing names now: transactions made since may name some
   * again. With the marker, as a removal that arrived late would remove a piece that is named
   * again.
   */
  async #removePieces(hashes: readonly string[]): Promise<void> {
    const { layout } = this.#options;
    const unused = hashes.filter((hash) => !this.#references.has(hash));
    const max = layout.limits.operations;
    for (let at = 0; at < unused.length; at += max) {
      const part = unused.slice(at, at + max);
      const removed = part.map(
        (hash) => ({ kind: 'delete', key: `${layout.pieces}${hash}` }) as const,
      );
      await this.#commit(removed, this.#newToken());
    }
  }

  /** What may be done late or twice without harm: puts of pieces. */
  async #fenced(operations: readonly EtcdOperation[]): Promise<void> {
    const { api } = this.#options;
    let answer;
    try {
      answer = await api.transaction({ compares: [this.#fenceHolds()], success: operations });
    } catch (thrown) {
      const error = toSteleError(thrown);
      if (error.code !== 'OUTCOME_UNKNOWN') throw error;
      // A piece that is there unnamed is removed by the next leader.
      throw spaceErrorOf(error) ?? unavailable(error);
    }
    if (!answer.succeeded) throw this.#lose(replaced());
  }

  /** For the marker. What changes nothing in the catalog leaves it a restored one. */
  #newToken(restored = this.#restored): string {
    const token = `${restored ? RESTORED : ''}${this.#options.env.randomId()}`;
    this.#tokens.add(token);
    const [oldest = ''] = this.#tokens;
    if (this.#tokens.size > TOKENS_MAX) this.#tokens.delete(oldest);
    return token;
  }

  /** Commits, and resolves to the revision. */
  async #commit(operations: readonly EtcdOperation[], token: string): Promise<number> {
    const { api, layout } = this.#options;
    for (;;) {
      const compares = [this.#fenceHolds(), this.#markerIs(this.#marker)];
      const put: EtcdOperation = { kind: 'put', key: layout.marker, value: token };
      let answer;
      try {
        answer = await api.transaction({ compares, success: [...operations, put] });
      } catch (thrown) {
        const error = toSteleError(thrown);
        if (error.code !== 'OUTCOME_UNKNOWN') throw error;
        const full = spaceErrorOf(error);
        if (full !== undefined) return this.#madeOr(token, full);
        const revision = await this.#settle(token, error);
        if (revision === undefined) continue;
        return revision;
      }
      if (!answer.succeeded) throw this.#lose(await this.#whyRefused());
      this.#marker = answer.revision;
      return answer.revision;
    }
  }

  /** Over its quota, etcd makes one transaction and reports it as refused. */
  async #madeOr(token: string, full: SteleError): Promise<number> {
    const { api, layout } = this.#options;
    const [marker] = (await api.range(layout.marker)).entries;
    if (marker?.value.toString() !== token) throw full;
    this.#marker = marker.modRevision;
    return marker.modRevision;
  }

  /**
   * Finds out what became of the transaction with this token: its revision or, if it can never be
   * made, undefined. Throws, and loses the store, if another master leads.
   */
  async #settle(token: string, cause: SteleError): Promise<number | undefined> {
    const { api, env, fence, layout } = this.#options;
    /** Of earlier attempts to settle, whose answers were lost, too. */
    const ours = new Set<string>();
    for (;;) {
      const own = this.#newToken();
      ours.add(own);
      try {
        const { ranges, revision, succeeded } = await api.transaction({
          compares: [this.#fenceHolds(), this.#markerIs(this.#marker)],
          success: [{ kind: 'put', key: layout.marker, value: own }],
          failure: [
            { kind: 'range', key: layout.marker },
            { kind: 'range', key: fence.key },
          ],
        });
        if (succeeded) {
          this.#marker = revision;
          return undefined;
        }
        const [marker] = ranges[0] ?? [];
        const [leader] = ranges[1] ?? [];
        const value = marker?.value.toString() ?? '';
        const isOurs = leader?.createRevision === fence.createRevision;
        if (value === token || ours.has(value)) {
          this.#marker = marker?.modRevision ?? 0;
          const made = value === token ? this.#marker : undefined;
          if (isOurs) return made;
          // What it wrote is there, and the next leader has it.
          this.#lose(replaced());
          if (made !== undefined) return made;
          throw replaced();
        }
        if (isOurs) throw this.#lose(foreign());
        if ((marker?.modRevision ?? 0) === this.#marker) throw this.#lose(replaced());
        throw this.#lose(unknown(cause));
      } catch (thrown) {
        if (this.#lost !== undefined) throw thrown;
        await sleep(SETTLE_AGAIN_MS, undefined, env);
        if (this.#closed) throw unknown(cause);
      }
    }
  }

  async #whyRefused(): Promise<SteleError> {
    const { api, fence } = this.#options;
    const { entries } = await api.range(fence.key);
    return entries[0]?.createRevision === fence.createRevision ? foreign() : replaced();
  }

  #fenceHolds(): EtcdCompare {
    const { key, createRevision } = this.#options.fence;
    return { key, target: 'create', revision: createRevision };
  }

  #markerIs(revision: number): EtcdCompare {
    return { key: this.#options.layout.marker, target: 'mod', revision };
  }

  #lose(why: SteleError): SteleError {
    if (this.#lost === undefined) {
      this.#lost = why.code === 'OUTCOME_UNKNOWN' ? replaced() : why;
      this.#options.onLost(this.#lost);
    }
    return why;
  }
}
