// The identity of this datanode, stored in its data folder: the folder of one node or cluster is
// never served as another's, and an epoch that was obeyed is remembered across restarts.
//
//   node.json  {"format":2,"nodeId":"node-0","clusterId":"...","epoch":7,"term":"..."}
//
// A master sends three kinds of requests:
//
//   question (heartbeat, list of holdings)   answered at once; a newer epoch is noted and begins to be saved
//   what to serve (view, manifest)           accepted once its epoch is in node.json, or after a short wait if
//                                            that cannot be written: then only this process obeys it
//   order (everything else)                  carried out only once its epoch is in node.json
//
// So a disk that hangs or is full never silences a node, and never makes it serve what a deposed
// master said. After a restart, the node refuses orders of a deposed master if it has carried out
// an order of its successor. A restart may forget an epoch that could not be saved; under that
// epoch the node only served what it was ordered, and made no promise that depends on it
// (`admitToServe`).
//
// Invariants: nothing is accepted from a deposed master, saved or not. At most one write of
// node.json is in progress, and all requests that need it wait for it. A failed write is retried
// with the next request. `#saved` never moves backwards.

import { join } from 'node:path';
import { sleep } from '../base/clock.ts';
import { writeFileDurable } from '../base/disk/durable-file.ts';
import { systemEnv } from '../base/env.ts';
import type { Env } from '../base/env.ts';
import { SteleError, systemErrorCode, toSteleError } from '../base/errors.ts';
import type { Incarnation } from '../base/ids.ts';
import { shorten } from '../base/ids.ts';
import { silentLogger } from '../base/log.ts';
import type { Logger } from '../base/log.ts';
import type { OrderHeader } from '../proto/gen/stele/v1/datanode.ts';

/** Format 1 had segments with other names. */
const FORMAT = 2;
/**
 * A master's start raises the epoch by one, a restore by a thousand: a larger step is a mistake.
 */
const EPOCH_STEP_MAX = 1_000_000;
/** The highest epoch that is accepted; it leaves room for a later one. */
const EPOCH_MAX = 2 ** 48;
/** How long orders wait for a write, so that they do not pile up when the disk hangs. */
const SAVE_HANGS_MS = 5000;
/** How long views and manifests wait for a write: less than a master waits for the answer. */
const SERVE_WAITS_MS = 1000;
/** At shutdown, a write that hangs is waited for this long. */
const CLOSE_MS = 1000;

interface IdentityRecord extends Membership {
  readonly format: number;
  readonly nodeId: string;
}

/** The cluster this node belongs to, and the newest term of its leaders. */
interface Membership {
  /** Empty until the node has joined a cluster. */
  readonly clusterId: string;
  readonly epoch: number;
  /** Identifies one start of the leader. Absent if the last leader ran release 0.1.0. */
  readonly term?: string;
}

export class NodeIdentity {
  readonly nodeId: string;
  /** New at every start of the process. */
  readonly incarnation: Incarnation;
  readonly #path: string;
  readonly #env: Env;
  readonly #log: Logger;
  /** The content of node.json. */
  #saved: Membership;
  /** The newest membership heard of: `#saved`, or what is about to be saved. */
  #seen: Membership;
  #saving: Promise<void> | undefined;
  #savingSinceMs = 0;
  /** Why the last write failed; empty if it did not. */
  #saveError = '';

  private constructor(path: string, record: IdentityRecord, log: Logger, env: Env) {
    this.#path = path;
    this.#env = env;
    this.incarnation = env.randomId() as Incarnation;
    this.#log = log;
    this.nodeId = record.nodeId;
    this.#saved = record;
    this.#seen = record;
  }

  /**
   * Reads `folder`/node.json, or starts a new identity. Throws CONFLICT, CORRUPT, UNKNOWN_FORMAT or
   * IO.
   */
  static async open(
    folder: string,
    nodeId: string,
    log: Logger = silentLogger,
    env = systemEnv,
  ): Promise<NodeIdentity> {
    const path = join(folder, 'node.json');
    const record = (await readRecord(path, env)) ?? {
      format: FORMAT,
      nodeId,
      clusterId: '',
      epoch: 0,
    };
    if (record.nodeId !== nodeId) {
      throw new SteleError(
        'CONFLICT',
        `The data folder ${folder} belongs to datanode '${record.nodeId}', not '${nodeId}'; give each datanode a --data-dir of its own.`,
      );
    }
    return new NodeIdentity(path, record, log, env);
  }

  /** Empty until the node has joined a cluster. */
  get clusterId(): string {
    return this.#seen.clusterId;
  }

  /** The newest leader heard of. */
  get leader(): { readonly epoch: number; readonly term: string } {
    const { epoch, term = '' } = this.#seen;
    return { epoch, term };
  }

  /**
   * Notes this node's cluster and the leader's epoch and term, and begins to save them without
   * waiting for the disk. Throws CONFLICT for another cluster, STALE_EPOCH for an epoch that has
   * been replaced or belongs to another term, INVALID_ARGUMENT for one that no master can have
   * reached.
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
        `Epoch ${epoch} is too far above epoch ${newest}, the newest that datanode ${this.nodeId} knows; the sender is not a master of this cluster.`,
      );
    }
    if (known !== clusterId || epoch > newest || isOther) this.#seen = { clusterId, epoch, term };
    // A failed write is logged by #write, and reported to the first order that needs it.
    if (this.#saved !== this.#seen) this.#save().catch(() => undefined);
  }

  /**
   * Admits a question, which changes nothing here. Its header may omit the incarnation, which the
   * master learns from the answer. Throws like `admit`, but does not wait for the disk.
   */
  admitQuestion(header: OrderHeader | undefined): void {
    this.#checkHeader(header, header?.incarnation === '' ? this.incarnation : header?.incarnation);
  }

  /**
   * Like `admitQuestion`, but returns false for a deposed master: its heartbeat is answered, so
   * that it learns of the newer leader.
   */
  admitHeartbeat(header: OrderHeader | undefined): boolean {
    try {
      this.admitQuestion(header);
      return true;
    } catch (thrown) {
      // A master of release 0.1.0, which sends no term, would take any answer for obedience.
      if (toSteleError(thrown).code !== 'STALE_EPOCH' || header?.term === undefined) throw thrown;
      return false;
    }
  }

  /**
   * Admits an order: resolves once its epoch is durable, so that this node never obeys an older
   * one, even after a restart. Throws WRONG_NODE if the order is for another node or incarnation,
   * CONFLICT for another cluster, STALE_EPOCH for a deposed leader, INVALID_ARGUMENT for a missing
   * or impossible header, and DISK_FULL or IO if the epoch cannot be saved.
   */
  async admit(header: OrderHeader | undefined): Promise<void> {
    const { epoch } = this.#checkHeader(header, header?.incarnation);
    const noted = this.#seen;
    while (!this.#isSaved(noted)) await this.#save();
    // A newer leader may have been heard of in the meantime.
    if (epoch < this.#seen.epoch) throw stale(epoch, this.#seen.epoch);
  }

  /**
   * Admits a view or a manifest, which this process may obey without the epoch being durable.
   * Resolves to true once the epoch is durable, to false if it cannot be saved, or not soon. After
   * false, the caller must promise nothing that an order of an older master could undo after a
   * restart. Throws like `admit`, but never because of the disk.
   */
  async admitToServe(header: OrderHeader | undefined): Promise<boolean> {
    const { epoch } = this.#checkHeader(header, header?.incarnation);
    const noted = this.#seen;
    if (this.#isSaved(noted)) return true;
    await this.#within(SERVE_WAITS_MS, this.#save());
    // A newer leader may have been heard of in the meantime.
    if (epoch < this.#seen.epoch) throw stale(epoch, this.#seen.epoch);
    return this.#isSaved(noted);
  }

  /** Why the epoch cannot be saved; empty if it can. */
  get saveError(): string {
    return this.#saveError;
  }

  /** Writes node.json again if it was removed while the node is running. Throws IO, DISK_FULL. */
  async rewriteIfMissing(): Promise<void> {
    if (this.#saved.clusterId === '') return;
    const isThere = await this.#env.files.stat(this.#path).catch(() => undefined);
    if (isThere === undefined) await this.#save();
  }

  #checkHeader(header: OrderHeader | undefined, incarnation: string | undefined): OrderHeader {
    if (header === undefined) throw new SteleError('INVALID_ARGUMENT', 'The order has no header.');
    if (header.nodeId !== this.nodeId) throw this.#wrongNode(header.nodeId);
    if (incarnation !== this.incarnation) throw this.#wrongRun();
    if (header.clusterId === '') {
      throw new SteleError('INVALID_ARGUMENT', 'The order does not name its cluster.');
    }
    this.note(header.clusterId, header.epoch, header.term);
    return header;
  }

  #isSaved({ clusterId, epoch, term }: Membership): boolean {
    const saved = this.#saved;
    if (saved.clusterId !== clusterId) return false;
    return saved.epoch > epoch || (saved.epoch === epoch && saved.term === term);
  }

  /**
   * Throws WRONG_NODE if a reader or sender means another node or incarnation; an empty string
   * means any.
   */
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

  /** Resolves when node.json is not being written any more, or the disk has hung for a second. */
  async close(): Promise<void> {
    if (this.#saving !== undefined) await this.#within(CLOSE_MS, this.#saving);
  }

  /**
   * Resolves when `saving` has ended, or after `ms`. A failure is reported where the write fails.
   */
  async #within(ms: number, saving: Promise<void>): Promise<void> {
    const giveUp = new AbortController();
    const ended = saving.catch(() => undefined);
    await Promise.race([ended, sleep(ms, giveUp.signal, this.#env)]);
    giveUp.abort();
  }

  /** Writes what is known now, or waits for the write in progress, unless that one hangs. */
  #save(): Promise<void> {
    if (this.#saving === undefined) {
      this.#savingSinceMs = this.#env.nowMs();
      this.#saving = this.#write().finally(() => {
        this.#saving = undefined;
      });
    } else if (this.#env.nowMs() - this.#savingSinceMs > SAVE_HANGS_MS) {
      const text = `${this.#path} cannot be written: a write has been hanging for seconds.`;
      return Promise.reject(new SteleError('IO', text));
    }
    return this.#saving;
  }

  async #write(): Promise<void> {
    const seen = this.#seen;
    const record: IdentityRecord = { format: FORMAT, nodeId: this.nodeId, ...seen };
    try {
      const content = Buffer.from(`${JSON.stringify(record)}\n`);
      await writeFileDurable(this.#path, [content], undefined, this.#env.files);
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
  return new SteleError('STALE_EPOCH', `Epoch ${epoch} belongs to another start of a master.`);
}

function stale(epoch: number, newest: number): SteleError {
  return new SteleError('STALE_EPOCH', `Epoch ${epoch} has been replaced by epoch ${newest}.`);
}

/** Returns undefined if there is no such file. */
async function readRecord(path: string, env: Env): Promise<IdentityRecord | undefined> {
  const text = await readText(path, env);
  if (text === undefined) return undefined;
  let record: unknown;
  try {
    record = JSON.parse(text);
  } catch (cause) {
    throw new SteleError(
      'CORRUPT',
      `${path} is damaged; the segments next to it are not affected. Remove the file to let the datanode join again.`,
      { cause },
    );
  }
  if (!isRecord(record)) throw new SteleError('CORRUPT', `${path} does not describe a datanode.`);
  if (record.format !== FORMAT) {
    throw new SteleError(
      'UNKNOWN_FORMAT',
      record.format > FORMAT
        ? `${path} has format ${record.format}; this release reads ${FORMAT}. Use a newer release.`
        : `${path} was written by an earlier release, whose segments this one does not read. Start with an empty --data-dir and load again, or keep using the earlier release.`,
    );
  }
  return record;
}

/** Fails if the file cannot be read: its content is then unknown, so it must not be replaced. */
async function readText(path: string, { files }: Env): Promise<string | undefined> {
  try {
    return (await files.readFile(path)).toString();
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT') return undefined;
    const { message } = toSteleError(cause, 'IO');
    throw new SteleError(
      'IO',
      `${path} cannot be read (${message}); give this user the right to read it, or repair the disk. Do not remove the file: it records which cluster the data belongs to.`,
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
