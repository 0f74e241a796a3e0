// Scans of one node of a FakeCluster, in order of shard and of a position made from the key.

import { SteleError } from '../../../base/errors.ts';
import type { ScanKeysRequest, ScanKeysResponse } from '../../../proto/gen/stele/v1/datanode.ts';
import type { LookupTargetRef } from '../../../proto/ports.ts';
import { globMatches } from '../../../base/glob.ts';
import { slotOfKey } from '../../../ring/slot.ts';

export const SHARD_COUNT = 16;

/** What scans need of a FakeNode. */
interface ScannedNode {
  readonly id: string;
  readonly rejecting: boolean;
  readonly delayMs: number;
  readonly missingShards: ReadonlySet<number>;
  readonly cluster: {
    readonly versions: ReadonlyMap<string, ReadonlyMap<string, Buffer>>;
    shardOf(key: Buffer): number;
  };
  calls: number;
}

/** See the head comment. */
export class FakeScans {
  readonly #node: ScannedNode;

  constructor(node: ScannedNode) {
    this.#node = node;
  }

  async scanKeys(request: ScanKeysRequest): Promise<ScanKeysResponse> {
    this.#ask(request);
    const { cluster, missingShards, delayMs } = this.#node;
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (!request.skipMissing && missingShards.has(request.shard)) {
      throw new SteleError('UNAVAILABLE', `${this.#node.id} has no shard ${request.shard}.`);
    }
    const here = [...this.#data(request).keys()]
      .map((text) => ({ text, shard: cluster.shardOf(latin1(text)), position: fakePosition(text) }))
      .sort((left, right) => left.shard - right.shard || left.position - right.position);
    const { pattern, slot } = request;
    const stop =
      slot !== undefined
        ? request.shard + 1
        : request.skipMissing
          ? SHARD_COUNT
          : Math.min(SHARD_COUNT, ...[...missingShards].filter((shard) => shard > request.shard));
    const answer = { keys: [] as Buffer[], records: 0, nextShard: stop, nextPosition: 0 };
    let last = { shard: -1, position: -1 };
    for (const key of here) {
      const before = key.shard - request.shard || key.position - request.position;
      if (before < 0 || missingShards.has(key.shard) || key.shard >= stop) continue;
      const isNew = key.shard !== last.shard || key.position !== last.position;
      if (isNew && answer.records >= request.recordsMax) {
        return { ...answer, nextShard: key.shard, nextPosition: key.position };
      }
      last = key;
      answer.records++;
      const bytes = latin1(key.text);
      if (slot !== undefined && slotOfKey(bytes, 0, bytes.length) !== slot) continue;
      if (pattern.length === 0 || globMatches(pattern, bytes)) answer.keys.push(bytes);
    }
    return answer;
  }

  #ask(request: { readonly expectNode: string }): void {
    this.#node.calls++;
    if (this.#node.rejecting) throw new SteleError('UNAVAILABLE', `${this.#node.id} refuses.`);
    if (request.expectNode !== this.#node.id) throw new SteleError('WRONG_NODE', 'Not me.');
  }

  #data(target: LookupTargetRef): ReadonlyMap<string, Buffer> {
    const data = this.#node.cluster.versions.get(`${target.keyspaceUid}/${target.version}`);
    if (data === undefined) throw new SteleError('UNAVAILABLE', 'No such version.');
    return data;
  }
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** Few different ones, so that keys share them. */
function fakePosition(text: string): number {
  return latin1(text).reduce((sum, byte) => sum * 7 + byte, 0) % 50;
}
