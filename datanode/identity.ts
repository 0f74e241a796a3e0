// Who this datanode is, kept in its data folder: a folder of one node or cluster is never served
// as another's, and an epoch once obeyed is remembered over restarts.
//
//   node.json  {"format":1,"nodeId":"node-0","clusterId":"...","epoch":7,"term":"..."}
//
// Three kinds of requests come from a master:
//
//   question (heartbeat, list of holdings)   answered at once; a newer epoch is noted and begins to be saved
//   what to serve (view, manifest)           taken once its epoch is in node.json, or soon after where that
//                                            cannot be written: then it is obeyed by this run alone
//   order (all else)                         carried out only once its epoch is in node.json
//
// So a disk that hangs or is full never silences a node, and never makes it serve what a master that was
// replaced has said; and a restart never makes it carry out an order of such a master where a newer one has
// been obeyed by an order. A restart may forget an epoch that could not be saved: all that was done in its name
// is to serve what it said, and nothing that it counts on was promised (`admitToServe`).
//
// Invariants: of masters that were replaced nothing is taken, saved or not; one write of node.json is under way
// at a time, and all requests that need it wait for it; a write that failed is tried again with the next
// request; `saved` never moves backwards.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { monotonicNowMs, sleep } from '../base/clock.ts';
import { writeFileDurable } from '../base/durable-file.ts';
import { SteleError, systemErrorCode, toSteleError } from '../base/errors.ts';
import type { Incarnation } from '../base/ids.ts';
import { newIncarnation, shorten } from '../base/ids.ts';
import { silentLogger } from '../base/log.ts';
import type { Logger } from '../base/log.ts';
import type { OrderHeader } from '../proto/gen/stele/v1/datanode.ts';

const FORMAT = 1;
/** A master's start raises the epoch by one, a restore by a thousand: more at a time is a mistake. */
const EPOCH_STEP_MAX = 1_000_000;
/** The highest epoch that is ever accepted; there is always room for another after it. */
const EPOCH_MAX = 2 ** 48;
/** Orders wait for a write for so long, so that they do not pile up at a disk that hangs. */
const SAVE_HANGS_MS = 5000;
/** What is to be served waits for it for so long: shorter than a master waits for the answer. */
const SERVE_WAITS_MS = 1000;

interface IdentityRecord extends Membership {
  readonly format: number;
  readonly nodeId: string;
}

/** The cluster this node belongs to, and the newest term of its leaders. */
interface Membership {
  /** Empty until the node has joined a cluster. */
  readonly clusterId: string;
  readonly epoch: number;
  /** Names the leader's start. Absent where a leader of 0.1.0 was the last. */
  readonly term?: string;
}

export class NodeIdentity {
  readonly nodeId: string;
  /** New at every start of the process. */
  readonly incarnation: Incarnation = newIncarnation();
  readonly #path: string;
  readonly #log: Logger;
  /** What node.json says. */
  #saved: Membership;
  /** The newest that was heard of: `saved`, or what is about to be. */
  #seen: Membership;
  #saving: Promise<void> | undefined;
  #savingSinceMs = 0;
  /** Why the last write failed; empty: it did not. */
  #saveError = '';

  private constructor(path: string, record: IdentityRecord, log: Logger) {
    this.#path = path;
    this.#log = log;
    this.nodeId = record.nodeId;
    this.#saved = record;
    this.#seen = record;
  }

  /** Reads `folder`/node.json, or begins a new one. Throws CONFLICT, CORRUPT, UNKNOWN_FORMAT or IO. */
  static open(folder: string, nodeId: string, log: Logger = silentLogger): NodeIdentity {
    const path = join(folder, 'node.json');
    const record = readRecord(path) ?? { format: FORMAT, nodeId, clusterId: '', epoch: 0 };
    if (record.nodeId !== nodeId) {
      throw new SteleError(
        'CONFLICT',
        `The data folder ${folder} belongs to datanode '${record.nodeId}', not '${nodeId}'; give each datanode a --data-dir of its own.`,
      );
    }
    return new NodeIdentity(path, record, log);
  }

  /** Empty until the node has joined a cluster. */
  get clusterId(): string {
    return this.#seen.clusterId;
  }

  /** The newest leader that was heard of. */
  get leader(): { readonly epoch: number; readonly term: string } {
    const { epoch, term = '' } = this.#seen;
    return { epoch, term };
  }

  /**
   * Notes the cluster that this node belongs to and its leader's epoch and term, and begins to save them; does
   * not wait for the disk. Throws CONFLICT for another cluster, STALE_EPOCH for an epoch that has been replaced
   * or that is another term's, INVALID_ARGUMENT for one that no master can have reached.
   */
  note(clusterId: string, epoch: number, term = ''): void {
    const { clusterId: known, epoch: newest, term: obeyed = '' } = this.#seen;
    if (known !== '' && known !== clusterId) {
      throw new SteleError(
        'CONFLICT',
        `This datanode holds data of cluster ${known} and cannot join cluster ${shorten(clusterId)}; start it with another --data-dir.`,
      );
    }
    if (epoch < newest) throw stale(epoch, newest);
    const isOther = epoch === newest && term !== obeyed;
    if (isOther && obeyed !== '') throw otherStart(epoch);
    const highest = known === '' ? EPOCH_MAX : Math.min(EPOCH_MAX, newest + EPOCH_STEP_MAX);
    if (!Number.isSafeInteger(epoch) || epoch > highest) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        `Epoch ${epoch} is too far above epoch ${newest}, the newest that datanode ${this.nodeId} knows; the sender is no master of this cluster.`,
      );
    }
    if (known !== clusterId || epoch > newest || isOther) this.#seen = { clusterId, epoch, term };
    // A write that fails is told by itself, and by the first order that needs it.
    if (this.#saved !== this.#seen) this.#save().catch(() => undefined);
  }

  /**
   * Admits a question: one that changes nothing here. Its header may leave out the incarnation, which
   * the master learns from the answer. Throws as `admit`, but does not wait for the disk.
   */
  admitQuestion(header: OrderHeader | undefined): void {
    this.#checkHeader(header, header?.incarnation === '' ? this.incarnation : header?.incarnation);
  }

  /**
   * As `admitQuestion`; false for a master that was replaced: its heartbeat is answered, so that it learns of the
   * leader that was heard since.
   */
  admitHeartbeat(header: OrderHeader | undefined): boolean {
    try {
      this.admitQuestion(header);
      return true;
    } catch (thrown) {
      // A master of 0.1.0, which names no term, would take any answer for obedience.
      if (toSteleError(thrown).code !== 'STALE_EPOCH' || header?.term === undefined) throw thrown;
      return false;
    }
  }

  /**
   * Admits an order: resolves once its epoch is durable, so that no later run of this node obeys an
   * older one. Throws WRONG_NODE where the order is not for this run of this node, CONFLICT for another
   * cluster's, STALE_EPOCH for a leader that has been replaced, INVALID_ARGUMENT for a header that is
   * missing or impossible, and DISK_FULL or IO while the epoch cannot be saved.
   */
  async admit(header: OrderHeader | undefined): Promise<void> {
    const { epoch } = this.#checkHeader(header, header?.incarnation);
    const noted = this.#seen;
    while (!this.#isSaved(noted)) await this.#save();
    // A newer leader may have been heard of meanwhile.
    if (epoch < this.#seen.epoch) throw stale(epoch, this.#seen.epoch);
  }

  /**
   * Admits what says only what to serve, and so may be obeyed by this run alone: resolves to true once the
   * epoch is durable, to false where it cannot be made so, or not soon. With false nothing may be promised that
   * an older master's order could undo after a restart. Throws as `admit`, but never for the disk.
   */
  async admitToServe(header: OrderHeader | undefined): Promise<boolean> {
    const { epoch } = this.#checkHeader(header, header?.incarnation);
    const noted = this.#seen;
    if (this.#isSaved(noted)) return true;
    const giveUp = new AbortController();
    // Why it cannot be saved is told where the write fails.
    const saving = this.#save().catch(() => undefined);
    await Promise.race([saving, sleep(SERVE_WAITS_MS, giveUp.signal)]);
    giveUp.abort();
    // A newer leader may have been heard of meanwhile.
    if (epoch < this.#seen.epoch) throw stale(epoch, this.#seen.epoch);
    return this.#isSaved(noted);
  }

  /** Why what a master says cannot be made durable; empty: it can. */
  get saveError(): string {
    return this.#saveError;
  }

  /** Writes node.json again where it has been removed under the running node. Throws IO, DISK_FULL. */
  async rewriteIfMissing(): Promise<void> {
    if (this.#saved.clusterId !== '' && !existsSync(this.#path)) await this.#save();
  }

  #checkHeader(header: OrderHeader | undefined, incarnation: string | undefined): OrderHeader {
    if (header === undefined) throw new SteleError('INVALID_ARGUMENT', 'The order has no header.');
    if (header.nodeId !== this.nodeId) throw this.#wrongNode(header.nodeId);
    if (incarnation !== this.incarnation) throw this.#wrongRun();
    if (header.clusterId === '') {
      throw new SteleError('INVALID_ARGUMENT', 'The order does not say which cluster it is of.');
    }
    this.note(header.clusterId, header.epoch, header.term);
    return header;
  }

  #isSaved({ clusterId, epoch, term }: Membership): boolean {
    const saved = this.#saved;
    if (saved.clusterId !== clusterId) return false;
    return saved.epoch > epoch || (saved.epoch === epoch && saved.term === term);
  }

  /** Throws WRONG_NODE when a reader or sender means another node or run; an empty string means any. */
  expect(nodeId: string, incarnation: string): void {
    if (nodeId !== '' && nodeId !== this.nodeId) throw this.#wrongNode(nodeId);
    if (incarnation !== '' && incarnation !== this.incarnation) throw this.#wrongRun();
  }

  #wrongNode(nodeId: string): SteleError {
    const text = `This is datanode ${this.nodeId}, not '${shorten(nodeId)}'.`;
    return new SteleError('WRONG_NODE', text);
  }

  #wrongRun(): SteleError {
    return new SteleError('WRONG_NODE', `Datanode ${this.nodeId} has been started again.`);
  }

  /** Writes what is known now, or waits for the write that is under way, unless that one hangs. */
  #save(): Promise<void> {
    if (this.#saving === undefined) {
      this.#savingSinceMs = monotonicNowMs();
      this.#saving = this.#write().finally(() => {
        this.#saving = undefined;
      });
    } else if (monotonicNowMs() - this.#savingSinceMs > SAVE_HANGS_MS) {
      const text = `${this.#path} cannot be written: a write has not ended for seconds.`;
      return Promise.reject(new SteleError('IO', text));
    }
    return this.#saving;
  }

  async #write(): Promise<void> {
    const seen = this.#seen;
    const record: IdentityRecord = { format: FORMAT, nodeId: this.nodeId, ...seen };
    try {
      await writeFileDurable(this.#path, [Buffer.from(`${JSON.stringify(record)}\n`)]);
    } catch (thrown) {
      const { code, message } = toSteleError(thrown, 'IO');
      const text = `${this.#path} cannot be written (${message}); orders of epoch ${seen.epoch} are refused until it can be.`;
      if (this.#saveError !== message) this.#log.error({ code, epoch: seen.epoch }, text);
      this.#saveError = message;
      throw new SteleError(code, text, { cause: thrown });
    }
    this.#saved = seen;
    this.#saveError = '';
  }
}

function otherStart(epoch: number): SteleError {
  return new SteleError('STALE_EPOCH', `Epoch ${epoch} is that of another start of a master.`);
}

function stale(epoch: number, newest: number): SteleError {
  return new SteleError('STALE_EPOCH', `Epoch ${epoch} has been replaced by epoch ${newest}.`);
}

/** Undefined where there is no such file. */
function readRecord(path: string): IdentityRecord | undefined {
  const text = readText(path);
  if (text === undefined) return undefined;
  let record: unknown;
  try {
    record = JSON.parse(text);
  } catch (cause) {
    throw new SteleError(
      'CORRUPT',
      `${path} is damaged; the segments beside it are not affected. Remove the file to let the datanode join again.`,
      { cause },
    );
  }
  if (!isRecord(record)) throw new SteleError('CORRUPT', `${path} does not describe a datanode.`);
  if (record.format !== FORMAT) {
    throw new SteleError(
      'UNKNOWN_FORMAT',
      `${path} has format ${record.format}; this release reads ${FORMAT}. Use a newer release.`,
    );
  }
  return record;
}

/** A file that cannot be read says nothing about what is in it: it must stay as it is. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT') return undefined;
    const { message } = toSteleError(cause, 'IO');
    throw new SteleError(
      'IO',
      `${path} cannot be read (${message}); give this user the right to read it, or mend the disk. Do not remove the file: it says which cluster the data is of.`,
      { cause },
    );
  }
}

function isRecord(value: unknown): value is IdentityRecord {
  return (
    typeof value === 'object' &&
    value !== null &&
    'format' in value &&
    typeof value.format === 'number' &&
    'nodeId' in value &&
    typeof value.nodeId === 'string' &&
    'clusterId' in value &&
    typeof value.clusterId === 'string' &&
    'epoch' in value &&
    typeof value.epoch === 'number'
  );
}
