// Who this datanode is, kept in its data folder: a folder of one node or cluster is never served
// as another's, and an epoch once seen is remembered over restarts.
//
//   node.json  {"format":1,"nodeId":"node-0","clusterId":"...","epoch":7}

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileDurable } from '../base/durable-file.ts';
import { SteleError } from '../base/errors.ts';
import type { Incarnation } from '../base/ids.ts';
import { newIncarnation } from '../base/ids.ts';
import type { OrderHeader } from '../proto/gen/stele/v1/datanode.ts';

const FORMAT = 1;

interface IdentityRecord {
  readonly format: number;
  readonly nodeId: string;
  readonly clusterId: string;
  readonly epoch: number;
}

export class NodeIdentity {
  readonly nodeId: string;
  /** New at every start of the process. */
  readonly incarnation: Incarnation = newIncarnation();
  readonly #path: string;
  #clusterId: string;
  #epoch: number;
  #saving: Promise<void> = Promise.resolve();

  private constructor(path: string, record: IdentityRecord) {
    this.#path = path;
    this.nodeId = record.nodeId;
    this.#clusterId = record.clusterId;
    this.#epoch = record.epoch;
  }

  /** Reads `folder`/node.json, or begins a new one. Throws CONFLICT, CORRUPT or UNKNOWN_FORMAT. */
  static open(folder: string, nodeId: string): NodeIdentity {
    const path = join(folder, 'node.json');
    if (!existsSync(path)) {
      return new NodeIdentity(path, { format: FORMAT, nodeId, clusterId: '', epoch: 0 });
    }
    const record = parseRecord(path);
    if (record.nodeId !== nodeId) {
      throw new SteleError(
        'CONFLICT',
        `The data folder ${folder} belongs to datanode '${record.nodeId}', not '${nodeId}'; give each datanode a --data-dir of its own.`,
      );
    }
    return new NodeIdentity(path, record);
  }

  /** Empty until the node has joined a cluster. */
  get clusterId(): string {
    return this.#clusterId;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Remembers, durably, the cluster this node has joined. */
  async join(clusterId: string, epoch: number): Promise<void> {
    if (this.#clusterId !== '' && this.#clusterId !== clusterId) {
      throw new SteleError(
        'CONFLICT',
        `This datanode holds data of cluster ${this.#clusterId} and cannot join cluster ${clusterId}; start it with another --data-dir.`,
      );
    }
    if (this.#clusterId === clusterId && epoch <= this.#epoch) return;
    this.#clusterId = clusterId;
    this.#epoch = Math.max(this.#epoch, epoch);
    await this.#save();
  }

  /**
   * Refuses an order that is not for this run of this node, or of a leader that has been replaced;
   * remembers a newer epoch before anything is done in its name.
   */
  async admit(header: OrderHeader | undefined): Promise<void> {
    if (header === undefined) throw new SteleError('INVALID_ARGUMENT', 'The order has no header.');
    this.expect(header.nodeId, header.incarnation);
    if (header.epoch < this.#epoch) {
      throw new SteleError(
        'STALE_EPOCH',
        `Epoch ${header.epoch} has been replaced by epoch ${this.#epoch}.`,
      );
    }
    if (header.clusterId !== '') await this.join(header.clusterId, header.epoch);
  }

  /** Throws WRONG_NODE when a caller means another node or another run; empty strings match. */
  expect(nodeId: string, incarnation: string): void {
    if (nodeId !== '' && nodeId !== this.nodeId) {
      throw new SteleError('WRONG_NODE', `This is datanode ${this.nodeId}, not ${nodeId}.`);
    }
    if (incarnation !== '' && incarnation !== this.incarnation) {
      throw new SteleError('WRONG_NODE', `Datanode ${this.nodeId} has been started again.`);
    }
  }

  #save(): Promise<void> {
    const write = async (): Promise<void> => {
      const record: IdentityRecord = {
        format: FORMAT,
        nodeId: this.nodeId,
        clusterId: this.#clusterId,
        epoch: this.#epoch,
      };
      await writeFileDurable(this.#path, [Buffer.from(`${JSON.stringify(record)}\n`)]);
    };
    // One after the other, so that an older record never overtakes a newer one.
    this.#saving = this.#saving.then(write, write);
    return this.#saving;
  }
}

function parseRecord(path: string): IdentityRecord {
  let record: unknown;
  try {
    record = JSON.parse(readFileSync(path, 'utf8'));
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
