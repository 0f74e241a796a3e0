// The operations of a cluster as one interface: the master implements it once, and its gRPC
// service, its HTTP routes and the RESP `STELE` command are three ways of calling it.

import type {
  CancelLoadRequest,
  DiffVersionsRequest,
  DiffVersionsResponse,
  DropKeyspaceRequest,
  DropVersionRequest,
  ExplainRequest,
  ExplainResponse,
  GetHealthRequest,
  GetHealthResponse,
  GetLoadRequest,
  ListEventsRequest,
  ListEventsResponse,
  ListKeyspacesResponse,
  ListLoadsRequest,
  ListLoadsResponse,
  ListNodesResponse,
  ListShardsResponse,
  ListVersionsRequest,
  ListVersionsResponse,
  PromoteRequest,
  PromoteResponse,
  RollbackRequest,
  ResumeKeyspaceRequest,
  RollbackResponse,
  SetCacheRequest,
  SetCacheResponse,
  SetReplicationRequest,
  SetReplicationResponse,
  SetKeepRequest,
  SetKeepResponse,
  SuspendKeyspaceRequest,
} from './gen/stele/v1/cluster.ts';
import type { LoadStatus } from './gen/stele/v1/load.ts';
import type { ClusterView } from './gen/stele/v1/view.ts';

/** The present view and its successors. */
export interface ViewSource {
  /** Never undefined: before anything is known it is an empty view with `ready` false. */
  current(): ClusterView;
  /** Calls `listener` with each new view; returns how to stop that. */
  subscribe(listener: (view: ClusterView) => void): () => void;
}

/** Every method throws SteleError. `signal` ends a waiting call early. */
export interface ClusterOperations extends ViewSource {
  health(request: GetHealthRequest, signal?: AbortSignal): Promise<GetHealthResponse>;
  listKeyspaces(): Promise<ListKeyspacesResponse>;
  listEvents(request: ListEventsRequest): Promise<ListEventsResponse>;
  listVersions(request: ListVersionsRequest): Promise<ListVersionsResponse>;
  rollback(request: RollbackRequest): Promise<RollbackResponse>;
  promote(request: PromoteRequest): Promise<PromoteResponse>;
  dropVersion(request: DropVersionRequest): Promise<void>;
  setKeep(request: SetKeepRequest): Promise<SetKeepResponse>;
  setCache(request: SetCacheRequest): Promise<SetCacheResponse>;
  setReplication(request: SetReplicationRequest): Promise<SetReplicationResponse>;
  listLoads(request: ListLoadsRequest): Promise<ListLoadsResponse>;
  getLoad(request: GetLoadRequest): Promise<LoadStatus>;
  cancelLoad(request: CancelLoadRequest): Promise<LoadStatus>;
  diffVersions(request: DiffVersionsRequest, signal?: AbortSignal): Promise<DiffVersionsResponse>;
  dropKeyspace(request: DropKeyspaceRequest): Promise<void>;
  suspendKeyspace(request: SuspendKeyspaceRequest): Promise<void>;
  resumeKeyspace(request: ResumeKeyspaceRequest): Promise<void>;
  listNodes(): Promise<ListNodesResponse>;
  listShards(): Promise<ListShardsResponse>;
  explain(request: ExplainRequest): Promise<ExplainResponse>;
  drainNode(nodeId: string): Promise<void>;
  resumeNode(nodeId: string): Promise<void>;
  /** Resolves when the node has taken the order; it is back when it serves under another incarnation. */
  restartNode(nodeId: string): Promise<void>;
  /** `force`: also where it may have the only copies of something. */
  removeNode(nodeId: string, force: boolean): Promise<void>;
}
