/* oxlint-disable typescript/unbound-method -- the channel binds each method to its client */
// What a backup, a restore and an export ask of the masters, apart from a load.

import { SteleError, toSteleError } from '../../base/errors.ts';
import { ClusterServiceClient } from '../../proto/gen/stele/v1/cluster.ts';
import type {
  GetRecordsResponse,
  KeyspaceSummary,
  StoredSegment,
  VersionSummary,
} from '../../proto/gen/stele/v1/cluster.ts';
import type { NodeView } from '../../proto/gen/stele/v1/view.ts';
import type { DialIdentity } from '../../transport/dial-identity.ts';
import type { UnaryMethod } from '../../transport/grpc-channel.ts';
import { MasterChannel } from '../../transport/master-channel.ts';
import { explainMasterError } from '../../transport/master-errors.ts';

const DEADLINE_MS = 30_000;
/** Merges may come in between its parts. */
const MANIFEST_ATTEMPTS_MAX = 10;

export interface HeldSegment extends Pick<StoredSegment, 'overwritten'> {
  readonly info: NonNullable<StoredSegment['segment']>;
  readonly holders: readonly NodeView[];
}

interface KeyspaceRef {
  readonly name: string;
  readonly uid: string;
}

export class ClusterClient {
  readonly #masters: MasterChannel<ClusterServiceClient>;
  readonly #signal: AbortSignal;
  #asked: Promise<{ readonly clusterId: string; readonly shardCount: number }> | undefined;

  constructor(masters: string, identity: DialIdentity, signal: AbortSignal) {
    this.#signal = signal;
    this.#masters = new MasterChannel(ClusterServiceClient, masters, {
      explain: (error, address) => explainMasterError(error, address),
      ...identity,
    });
  }

  /** Empty: all keyspaces. Throws KEYSPACE_NOT_FOUND. */
  records(keyspaces: readonly string[]): Promise<GetRecordsResponse> {
    return this.#call((client) => client.getRecords, { keyspaces: [...keyspaces] }, true);
  }

  /**
   * All segments of a version, as of one revision. Throws VERSION_NOT_FOUND if the version is not
   * kept any more.
   */
  async manifest(keyspace: KeyspaceRef, version: number): Promise<readonly HeldSegment[]> {
    for (let attempt = 1; attempt <= MANIFEST_ATTEMPTS_MAX; attempt++) {
      const found = await this.#manifestOnce(keyspace, version);
      if (found !== undefined) return found;
    }
    const text = `The deltas of version ${version} are merged all the time; run it again later.`;
    throw new SteleError('OVERLOADED', text);
  }

  /** Undefined if it has changed between its parts. */
  async #manifestOnce(
    { name: keyspace, uid: keyspaceUid }: KeyspaceRef,
    version: number,
  ): Promise<readonly HeldSegment[] | undefined> {
    const segments: HeldSegment[] = [];
    for (let revision: number | undefined; ;) {
      const request = { keyspaceUid, version, first: segments.length, keyspace };
      const part = await this.#call((client) => client.getManifest, request, true);
      if (revision !== undefined && revision !== part.revision) return undefined;
      ({ revision } = part);
      segments.push(...part.segments.map((one) => heldSegment(one, part.nodes)));
      if (segments.length >= part.segmentsTotal) return segments;
      if (part.segments.length === 0) return undefined;
    }
  }

  async keyspaces(): Promise<readonly KeyspaceSummary[]> {
    return (await this.#call((client) => client.listKeyspaces, {}, true)).keyspaces;
  }

  async versions(keyspace: string): Promise<readonly VersionSummary[]> {
    return (await this.#call((client) => client.listVersions, { keyspace }, true)).versions;
  }

  /** Empty if a master of an earlier release does not say. */
  async clusterId(): Promise<string> {
    return (await this.#fixed()).clusterId;
  }

  /** The URL of the cluster's own deep store; empty if it has none. */
  async deepStore(): Promise<string> {
    try {
      return (await this.#call((client) => client.getArchive, {}, true)).url;
    } catch (thrown) {
      if (toSteleError(thrown).code === 'CONFLICT') return '';
      throw thrown;
    }
  }

  async shardCount(): Promise<number> {
    return (await this.#fixed()).shardCount;
  }

  /** What a cluster keeps for good, so it is asked for once. */
  #fixed(): Promise<{ readonly clusterId: string; readonly shardCount: number }> {
    this.#asked ??= this.#call((client) => client.getView, {}, true).then(({ view }) => ({
      clusterId: view?.clusterId ?? '',
      shardCount: view?.shardCount ?? 0,
    }));
    return this.#asked;
  }

  async promote(keyspace: string, to: number): Promise<void> {
    await this.#call((client) => client.promote, { keyspace, to }, false);
  }

  async setCache(keyspace: string, cache: boolean): Promise<void> {
    await this.#call((client) => client.setCache, { keyspace, cache }, false);
  }

  async setReplication(keyspace: string, replication: number): Promise<void> {
    await this.#call((client) => client.setReplication, { keyspace, replication }, false);
  }

  close(): void {
    this.#masters.close();
  }

  #call<Request, Response>(
    methodOf: (client: ClusterServiceClient) => UnaryMethod<Request, Response>,
    request: Request,
    isRepeatable: boolean,
  ): Promise<Response> {
    const options = { deadlineMs: DEADLINE_MS, signal: this.#signal, isRepeatable };
    return this.#masters.call(methodOf, request, options);
  }
}

function heldSegment(stored: StoredSegment, nodes: readonly NodeView[]): HeldSegment {
  const { holders, overwritten, segment: info } = stored;
  if (info === undefined) throw new SteleError('INTERNAL', 'The master described no segment.');
  return { info, overwritten, holders: holders.flatMap((index) => nodes[index] ?? []) };
}
