/* oxlint-disable typescript/unbound-method -- the channel binds each method to its client */
// Operations on a cluster, over gRPC: what the command line and programs call on a master.

import { hostname, userInfo } from 'node:os';
import type { UnaryMethod } from '../transport/grpc-channel.ts';
import type { DialIdentity } from '../transport/dial-identity.ts';
import { MasterChannel } from '../transport/master-channel.ts';
import { explainMasterError } from '../transport/master-errors.ts';
import { ClusterServiceClient } from '../proto/gen/stele/v1/cluster.ts';
import type {
  DiffVersionsRequest,
  DiffVersionsResponse,
  CreateKeyspaceResponse,
  DropKeyspaceResponse,
  ExplainRequest,
  ExplainResponse,
  GetHealthRequest,
  GetHealthResponse,
  GetReadCountersResponse,
  ListAuditRequest,
  ListAuditResponse,
  ListEventsRequest,
  ListEventsResponse,
  GetCostResponse,
  ListHotKeysRequest,
  ListHotKeysResponse,
  ListKeyspacesResponse,
  ListLoadsResponse,
  ListMastersResponse,
  ListNodesResponse,
  ListShardsResponse,
  ListVersionsResponse,
  PromoteRequest,
  PromoteResponse,
  RollbackRequest,
  RollbackResponse,
  CleanArchiveResponse,
  GetArchiveResponse,
  SetCacheResponse,
  SetReplicationResponse,
  SetTierResponse,
  SetKeepResponse,
} from '../proto/gen/stele/v1/cluster.ts';
import type { LoadStatus } from '../proto/gen/stele/v1/load.ts';
import type { ClusterView } from '../proto/gen/stele/v1/view.ts';
import { tierNumber } from '../proto/view-words.ts';
import type { TierWord } from '../proto/view-words.ts';
import { SteleError } from '../base/errors.ts';
import { identityOf } from './identity.ts';
import type { IdentityOptions } from './identity.ts';

export interface AdminOptions extends IdentityOptions {
  /** Deadline of each call in ms. Default: 10 s. */
  readonly deadlineMs?: number;
}

/** The caller in the cluster's record of who did what. */
export const USER = `${nameOfUser()}@${hostname()}`;
const DEADLINE_MS_DEFAULT = 10_000;
/** Added to the deadline of a call that waits. */
/** A bucket with a million objects is listed in minutes. */
const CLEAN_DEADLINE_MS = 900_000;
const WAIT_SLACK_MS = 2000;

/**
 * Operations on the cluster whose master answers at `master` (`host:port` of its gRPC). Of several
 * masters, name all (a list, or a text with commas): one that answers is enough. Connects at the
 * first call; call close() at the end. Throws INVALID_ARGUMENT for a malformed address, and for
 * certificates that cannot be used. Every method throws SteleError; the message of UNAVAILABLE says
 * how to start or name a master. A call that changes something is never made twice: if its master
 * is lost before it answers, it fails with OUTCOME_UNKNOWN.
 */
export function connectAdmin(
  master: string | readonly string[],
  options: AdminOptions = {},
): AdminClient {
  return new AdminClient(
    typeof master === 'string' ? master : master.join(','),
    options.deadlineMs ?? DEADLINE_MS_DEFAULT,
    identityOf(options),
  );
}

export class AdminClient {
  readonly #masters: MasterChannel<ClusterServiceClient>;
  readonly #deadlineMs: number;
  readonly #closing = new AbortController();

  constructor(master: string, deadlineMs: number, identity: DialIdentity = {}) {
    this.#deadlineMs = deadlineMs;
    this.#masters = new MasterChannel(ClusterServiceClient, master, {
      explain: (error, address) => explainMasterError(error, address),
      ...identity,
    });
  }

  async getView(): Promise<ClusterView> {
    const response = await this.#ask((client) => client.getView, {});
    if (response.view === undefined) throw new SteleError('INTERNAL', 'The master sent no view.');
    return response.view;
  }

  /** With `waitFor`, waits up to `timeoutMs` for a health that is at least that good. */
  getHealth(request: GetHealthRequest): Promise<GetHealthResponse> {
    const deadlineMs = Math.max(this.#deadlineMs, request.timeoutMs + WAIT_SLACK_MS);
    return this.#ask((client) => client.getHealth, request, deadlineMs);
  }

  listKeyspaces(): Promise<ListKeyspacesResponse> {
    return this.#ask((client) => client.listKeyspaces, {});
  }

  /**
   * Lists events, newest first; an empty `keyspace` lists all. With `after`, those that followed
   * that number, oldest first, and with `waitMs` it waits for the next.
   */
  listEvents(request: ListEventsRequest): Promise<ListEventsResponse> {
    const deadlineMs = Math.max(this.#deadlineMs, (request.waitMs ?? 0) + WAIT_SLACK_MS);
    return this.#ask((client) => client.listEvents, request, deadlineMs);
  }

  /** Lists the audit log of the master that answers, newest first; empty texts mean any. */
  listAudit(request: ListAuditRequest): Promise<ListAuditResponse> {
    return this.#ask((client) => client.listAudit, request);
  }

  listVersions(keyspace: string): Promise<ListVersionsResponse> {
    return this.#ask((client) => client.listVersions, { keyspace });
  }

  rollback(request: RollbackRequest): Promise<RollbackResponse> {
    return this.#change((client) => client.rollback, request);
  }

  promote(request: PromoteRequest): Promise<PromoteResponse> {
    return this.#change((client) => client.promote, request);
  }

  async dropVersion(keyspace: string, version: number): Promise<void> {
    await this.#change((client) => client.dropVersion, { keyspace, version });
  }

  setKeep(keyspace: string, keep: number): Promise<SetKeepResponse> {
    return this.#change((client) => client.setKeep, { keyspace, keep });
  }

  /** `replication` 0 means the cluster's replication factor. */
  setReplication(keyspace: string, replication: number): Promise<SetReplicationResponse> {
    return this.#change((client) => client.setReplication, { keyspace, replication });
  }

  /** Sets whether masters cache the values of a keyspace. */
  setCache(keyspace: string, cache: boolean): Promise<SetCacheResponse> {
    return this.#change((client) => client.setCache, { keyspace, cache });
  }

  /** Sets the tier of a keyspace. Datanodes move its segments in the background; reads go on. */
  setTier(keyspace: string, tier: TierWord): Promise<SetTierResponse> {
    return this.#change((client) => client.setTier, { keyspace, tier: tierNumber(tier) });
  }

  /** What is in the deep store, and what is not yet. Throws CONFLICT if there is none. */
  getArchive(): Promise<GetArchiveResponse> {
    return this.#ask((client) => client.getArchive, {});
  }

  /** Removes from the deep store what nothing needs any more; with `dryRun`, only counts it. */
  cleanArchive(dryRun: boolean): Promise<CleanArchiveResponse> {
    return this.#change((client) => client.cleanArchive, { dryRun }, CLEAN_DEADLINE_MS);
  }

  /** Lists running loads, then the others, newest first; an empty `keyspace` lists all. */
  listLoads(keyspace = ''): Promise<ListLoadsResponse> {
    return this.#ask((client) => client.listLoads, { keyspace });
  }

  async getLoad(loadId: string): Promise<LoadStatus> {
    return loadOf(await this.#ask((client) => client.getLoad, { loadId }));
  }

  /**
   * Cancels a load, which stops at its next report. Throws LOAD_NOT_FOUND, and CONFLICT if it is
   * over.
   */
  async cancelLoad(loadId: string, reason = ''): Promise<LoadStatus> {
    return loadOf(await this.#change((client) => client.cancelLoad, { loadId, reason }));
  }

  /** What a keyspace takes, and what changes would free. Some of its records are read. */
  cost(keyspace: string): Promise<GetCostResponse> {
    return this.#ask((client) => client.getCost, { keyspace });
  }

  /**
   * Compares two versions. Takes as long as the datanodes need to read the segments that differ.
   */
  listHotKeys(request: ListHotKeysRequest): Promise<ListHotKeysResponse> {
    return this.#ask((client) => client.listHotKeys, request);
  }

  diffVersions(request: DiffVersionsRequest): Promise<DiffVersionsResponse> {
    return this.#ask((client) => client.diffVersions, request);
  }

  /** Makes a keyspace without a version; one that is there stays as it is. */
  createKeyspace(keyspace: string): Promise<CreateKeyspaceResponse> {
    return this.#change((client) => client.createKeyspace, { keyspace });
  }

  dropKeyspace(keyspace: string): Promise<DropKeyspaceResponse> {
    return this.#change((client) => client.dropKeyspace, { keyspace });
  }

  /** Suspends a keyspace: its data stays on disk, its memory is freed, reads answer SUSPENDED. */
  async suspendKeyspace(keyspace: string): Promise<void> {
    await this.#change((client) => client.suspendKeyspace, { keyspace });
  }

  async resumeKeyspace(keyspace: string): Promise<void> {
    await this.#change((client) => client.resumeKeyspace, { keyspace });
  }

  listNodes(): Promise<ListNodesResponse> {
    return this.#ask((client) => client.listNodes, {});
  }

  listShards(): Promise<ListShardsResponse> {
    return this.#ask((client) => client.listShards, {});
  }

  explain(request: ExplainRequest): Promise<ExplainResponse> {
    return this.#ask((client) => client.explain, request);
  }

  /** Restarts a datanode; it is back once it serves under another incarnation. */
  async restartNode(nodeId: string): Promise<void> {
    await this.#change((client) => client.restartNode, { nodeId });
  }

  async drainNode(nodeId: string): Promise<void> {
    await this.#change((client) => client.drainNode, { nodeId });
  }

  async resumeNode(nodeId: string): Promise<void> {
    await this.#change((client) => client.resumeNode, { nodeId });
  }

  /**
   * Removes a datanode. Throws CONFLICT if it is running, and, without `force`, if it may have the
   * only copies.
   */
  async removeNode(nodeId: string, force = false): Promise<void> {
    await this.#change((client) => client.removeNode, { nodeId, force });
  }

  /** Lists the masters that run, the leader first. */
  listMasters(): Promise<ListMastersResponse> {
    return this.#ask((client) => client.listMasters, {});
  }

  /**
   * Counts the reads of the datanodes, and those of the process that answers, since their starts.
   */
  readCounters(): Promise<GetReadCountersResponse> {
    return this.#ask((client) => client.getReadCounters, {});
  }

  /** Makes the leader give up the lead. Throws CONFLICT if there is no other master. */
  async stepDown(): Promise<void> {
    await this.#change((client) => client.stepDown, {});
  }

  /** Calls in flight fail with CANCELLED, and so do later ones. */
  close(): void {
    this.#closing.abort();
    this.#masters.close();
  }

  #ask<Request, Response>(
    methodOf: MethodOf<Request, Response>,
    request: Request,
    deadlineMs = this.#deadlineMs,
  ): Promise<Response> {
    const { signal } = this.#closing;
    const options = { deadlineMs, signal, user: USER, isRepeatable: true };
    return this.#masters.call(methodOf, request, options);
  }

  #change<Request, Response>(
    methodOf: MethodOf<Request, Response>,
    request: Request,
    deadlineMs = this.#deadlineMs,
  ): Promise<Response> {
    const { signal } = this.#closing;
    const options = { deadlineMs, signal, user: USER, isRepeatable: false };
    return this.#masters.call(methodOf, request, options);
  }
}

type MethodOf<Request, Response> = (client: ClusterServiceClient) => UnaryMethod<Request, Response>;

function loadOf({ load }: { readonly load: LoadStatus | undefined }): LoadStatus {
  if (load === undefined) throw new SteleError('INTERNAL', 'The master described no load.');
  return load;
}

function nameOfUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A user without an entry in the system's user table, as in some containers.
    return String(process.getuid?.() ?? '');
  }
}
