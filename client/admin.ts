/* oxlint-disable typescript/unbound-method -- #call binds each method to its client */
// Operations on a cluster, over gRPC: what the command line and programs call on a master.

import { hostname, userInfo } from 'node:os';
import { callUnary, openClient } from '../transport/grpc-channel.ts';
import { explainMasterError } from '../transport/master-errors.ts';
import { ClusterServiceClient } from '../proto/gen/stele/v1/cluster.ts';
import type {
  DiffVersionsRequest,
  DiffVersionsResponse,
  DropKeyspaceResponse,
  ExplainRequest,
  ExplainResponse,
  GetHealthRequest,
  GetHealthResponse,
  ListEventsRequest,
  ListEventsResponse,
  ListKeyspacesResponse,
  ListLoadsResponse,
  ListNodesResponse,
  ListShardsResponse,
  ListVersionsResponse,
  PromoteRequest,
  PromoteResponse,
  RollbackRequest,
  RollbackResponse,
  SetCacheResponse,
  SetReplicationResponse,
  SetKeepResponse,
} from '../proto/gen/stele/v1/cluster.ts';
import type { LoadStatus } from '../proto/gen/stele/v1/load.ts';
import type { ClusterView } from '../proto/gen/stele/v1/view.ts';
import { checkAddress } from '../base/address.ts';
import { SteleError } from '../base/errors.ts';

export interface AdminOptions {
  /** Deadline of each call; default 10 s. */
  readonly deadlineMs?: number;
}

/** For the cluster's record of who did what. */
const USER = `${nameOfUser()}@${hostname()}`;
const DEADLINE_MS_DEFAULT = 10_000;
/** On top of what a waiting call asks for. */
const WAIT_SLACK_MS = 2000;

/**
 * Operations on the cluster whose master answers at `master` (`host:port` of its gRPC). Connects at
 * the first call; close() when done. Throws INVALID_ARGUMENT for another form of address. Every method throws
 * SteleError; UNAVAILABLE says how to start or name a master.
 */
export function connectAdmin(master: string, options: AdminOptions = {}): AdminClient {
  return new AdminClient(master, options.deadlineMs ?? DEADLINE_MS_DEFAULT);
}

export class AdminClient {
  readonly #client: ClusterServiceClient;
  readonly #master: string;
  readonly #deadlineMs: number;
  readonly #closing = new AbortController();

  constructor(master: string, deadlineMs: number) {
    this.#master = checkAddress(master);
    this.#deadlineMs = deadlineMs;
    this.#client = openClient(ClusterServiceClient, master);
  }

  async getView(): Promise<ClusterView> {
    const response = await this.#call(this.#client.getView, {});
    if (response.view === undefined) throw new SteleError('INTERNAL', 'The master sent no view.');
    return response.view;
  }

  /** With `waitFor`, waits up to `timeoutMs` for a health at least that good. */
  getHealth(request: GetHealthRequest): Promise<GetHealthResponse> {
    const deadlineMs = Math.max(this.#deadlineMs, request.timeoutMs + WAIT_SLACK_MS);
    return this.#call(this.#client.getHealth, request, deadlineMs);
  }

  listKeyspaces(): Promise<ListKeyspacesResponse> {
    return this.#call(this.#client.listKeyspaces, {});
  }

  /** What was done, the newest first; `keyspace` empty: to all of them. */
  listEvents(request: ListEventsRequest): Promise<ListEventsResponse> {
    return this.#call(this.#client.listEvents, request);
  }

  listVersions(keyspace: string): Promise<ListVersionsResponse> {
    return this.#call(this.#client.listVersions, { keyspace });
  }

  rollback(request: RollbackRequest): Promise<RollbackResponse> {
    return this.#call(this.#client.rollback, request);
  }

  promote(request: PromoteRequest): Promise<PromoteResponse> {
    return this.#call(this.#client.promote, request);
  }

  async dropVersion(keyspace: string, version: number): Promise<void> {
    await this.#call(this.#client.dropVersion, { keyspace, version });
  }

  setKeep(keyspace: string, keep: number): Promise<SetKeepResponse> {
    return this.#call(this.#client.setKeep, { keyspace, keep });
  }

  /** `replication` 0: the cluster's. */
  setReplication(keyspace: string, replication: number): Promise<SetReplicationResponse> {
    return this.#call(this.#client.setReplication, { keyspace, replication });
  }

  /** Whether masters cache the values of a keyspace. */
  setCache(keyspace: string, cache: boolean): Promise<SetCacheResponse> {
    return this.#call(this.#client.setCache, { keyspace, cache });
  }

  /** Running loads first, then the newest first; `keyspace` empty: of all. */
  listLoads(keyspace = ''): Promise<ListLoadsResponse> {
    return this.#call(this.#client.listLoads, { keyspace });
  }

  async getLoad(loadId: string): Promise<LoadStatus> {
    return loadOf(await this.#call(this.#client.getLoad, { loadId }));
  }

  /** The load stops when it next reports. Throws LOAD_NOT_FOUND, and CONFLICT for one that is over. */
  async cancelLoad(loadId: string, reason = ''): Promise<LoadStatus> {
    return loadOf(await this.#call(this.#client.cancelLoad, { loadId, reason }));
  }

  /** Takes as long as it takes to read the segments that differ, on the datanodes. */
  diffVersions(request: DiffVersionsRequest): Promise<DiffVersionsResponse> {
    return this.#call(this.#client.diffVersions, request);
  }

  dropKeyspace(keyspace: string): Promise<DropKeyspaceResponse> {
    return this.#call(this.#client.dropKeyspace, { keyspace });
  }

  /** Its data stays on disk, its memory is freed, reads answer SUSPENDED. */
  async suspendKeyspace(keyspace: string): Promise<void> {
    await this.#call(this.#client.suspendKeyspace, { keyspace });
  }

  async resumeKeyspace(keyspace: string): Promise<void> {
    await this.#call(this.#client.resumeKeyspace, { keyspace });
  }

  listNodes(): Promise<ListNodesResponse> {
    return this.#call(this.#client.listNodes, {});
  }

  listShards(): Promise<ListShardsResponse> {
    return this.#call(this.#client.listShards, {});
  }

  explain(request: ExplainRequest): Promise<ExplainResponse> {
    return this.#call(this.#client.explain, request);
  }

  /** It is back when it serves under another incarnation. */
  async restartNode(nodeId: string): Promise<void> {
    await this.#call(this.#client.restartNode, { nodeId });
  }

  async drainNode(nodeId: string): Promise<void> {
    await this.#call(this.#client.drainNode, { nodeId });
  }

  async resumeNode(nodeId: string): Promise<void> {
    await this.#call(this.#client.resumeNode, { nodeId });
  }

  /** Throws CONFLICT for a node that runs, and without `force` for one that may have the only copies. */
  async removeNode(nodeId: string, force = false): Promise<void> {
    await this.#call(this.#client.removeNode, { nodeId, force });
  }

  /** Calls in flight fail with CANCELLED, and so do later ones. */
  close(): void {
    this.#closing.abort();
    this.#client.close();
  }

  async #call<Request, Response>(
    method: Parameters<typeof callUnary<Request, Response>>[0],
    request: Request,
    deadlineMs = this.#deadlineMs,
  ): Promise<Response> {
    try {
      const options = { deadlineMs, signal: this.#closing.signal, user: USER };
      return await callUnary(method.bind(this.#client), request, this.#master, options);
    } catch (thrown) {
      throw explainMasterError(thrown, this.#master);
    }
  }
}

function loadOf({ load }: { readonly load: LoadStatus | undefined }): LoadStatus {
  if (load === undefined) throw new SteleError('INTERNAL', 'The master described no load.');
  return load;
}

function nameOfUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A user without an entry in the system's table, as in some containers.
    return String(process.getuid?.() ?? '');
  }
}
