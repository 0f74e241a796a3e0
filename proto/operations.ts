// The operations of a cluster as one interface: the master implements it, and its gRPC service, its
// HTTP routes and the RESP `STELE` command call it.

import type {
  AccessList,
  AddUserRequest,
  ChangeUserRequest,
  CreateTokenRequest,
  CreateTokenResponse,
  ListRolesResponse,
  ListTokensRequest,
  ListTokensResponse,
  ListUsersResponse,
  PutRoleRequest,
} from './gen/stele/v1/access.ts';
import type {
  CleanArchiveRequest,
  CleanArchiveResponse,
  GetArchiveResponse,
  CancelLoadRequest,
  DiffVersionsRequest,
  DiffVersionsResponse,
  CreateKeyspaceRequest,
  CreateKeyspaceResponse,
  DropKeyspaceRequest,
  DropVersionRequest,
  ExplainRequest,
  ExplainResponse,
  GetHealthRequest,
  GetHealthResponse,
  GetLoadRequest,
  GetManifestRequest,
  GetManifestResponse,
  GetReadCountersResponse,
  GetRecordsRequest,
  GetCostRequest,
  GetCostResponse,
  GetRecordsResponse,
  ListEventsRequest,
  ListEventsResponse,
  ListHotKeysRequest,
  ListHotKeysResponse,
  ListKeyspacesResponse,
  ListLoadsRequest,
  ListLoadsResponse,
  ListMastersResponse,
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
  SetTierRequest,
  SetTierResponse,
  SetReplicationRequest,
  SetReplicationResponse,
  SetKeepRequest,
  SetKeepResponse,
  SuspendKeyspaceRequest,
} from './gen/stele/v1/cluster.ts';
import type {
  AbortLoadRequest,
  BeginLoadRequest,
  BeginLoadResponse,
  CommitLoadRequest,
  CommitLoadResponse,
  LoadStatus,
  ReportProgressRequest,
  ReportProgressResponse,
} from './gen/stele/v1/load.ts';
import type { ClusterView } from './gen/stele/v1/view.ts';
import type { Registrar } from './ports.ts';

/** The current view and its successors. */
export interface ViewSource {
  /** Never undefined: before anything is known it is an empty view with `ready` false. */
  current(): ClusterView;
  /** Calls `listener` with each new view; returns a function that unsubscribes. */
  subscribe(listener: (view: ClusterView) => void): () => void;
  /** False if there is a leader, and its views do not arrive. Absent: always true. */
  isCurrent?(): boolean;
  /**
   * Since when the leader's views do not arrive, in ISO 8601; undefined: they do. Absent: always
   * undefined.
   */
  silentSince?(): string | undefined;
}

/** Every method throws SteleError. `signal` ends a waiting call early. */
interface ClusterCalls {
  health(request: GetHealthRequest, signal?: AbortSignal): Promise<GetHealthResponse>;
  listKeyspaces(): Promise<ListKeyspacesResponse>;
  /** Waits with `waitMs`; `signal` ends that. */
  listEvents(request: ListEventsRequest, signal?: AbortSignal): Promise<ListEventsResponse>;
  listVersions(request: ListVersionsRequest): Promise<ListVersionsResponse>;
  rollback(request: RollbackRequest): Promise<RollbackResponse>;
  promote(request: PromoteRequest): Promise<PromoteResponse>;
  dropVersion(request: DropVersionRequest): Promise<void>;
  setKeep(request: SetKeepRequest): Promise<SetKeepResponse>;
  setCache(request: SetCacheRequest): Promise<SetCacheResponse>;
  setTier(request: SetTierRequest): Promise<SetTierResponse>;
  setReplication(request: SetReplicationRequest): Promise<SetReplicationResponse>;
  getArchive(): Promise<GetArchiveResponse>;
  cleanArchive(request: CleanArchiveRequest): Promise<CleanArchiveResponse>;
  listLoads(request: ListLoadsRequest): Promise<ListLoadsResponse>;
  getLoad(request: GetLoadRequest): Promise<LoadStatus>;
  cancelLoad(request: CancelLoadRequest): Promise<LoadStatus>;
  diffVersions(request: DiffVersionsRequest, signal?: AbortSignal): Promise<DiffVersionsResponse>;
  listHotKeys(request: ListHotKeysRequest): Promise<ListHotKeysResponse>;
  getCost(request: GetCostRequest): Promise<GetCostResponse>;
  createKeyspace(request: CreateKeyspaceRequest): Promise<CreateKeyspaceResponse>;
  dropKeyspace(request: DropKeyspaceRequest): Promise<void>;
  suspendKeyspace(request: SuspendKeyspaceRequest): Promise<void>;
  resumeKeyspace(request: ResumeKeyspaceRequest): Promise<void>;
  listNodes(): Promise<ListNodesResponse>;
  listShards(): Promise<ListShardsResponse>;
  explain(request: ExplainRequest): Promise<ExplainResponse>;
  drainNode(nodeId: string): Promise<void>;
  resumeNode(nodeId: string): Promise<void>;
  /**
   * Resolves when the node has accepted the order; it is back once it serves under another
   * incarnation.
   */
  restartNode(nodeId: string): Promise<void>;
  /** `force` removes the node even if it may have the only copies of something. */
  removeNode(nodeId: string, force: boolean): Promise<void>;
  listMasters(): Promise<ListMastersResponse>;
  /** Counts of the datanodes; `own` is for the process that is asked to fill in. */
  readCounters(): Promise<GetReadCountersResponse>;
  /** Makes the leader give up the lead. Throws CONFLICT if there is no other master. */
  stepDown(): Promise<void>;
  getRecords(request: GetRecordsRequest): Promise<GetRecordsResponse>;
  getManifest(request: GetManifestRequest): Promise<GetManifestResponse>;
}

/** What a cluster does, and the view that it serves reads from. */
export interface ClusterOperations extends ViewSource, ClusterCalls {}

/** What loaders ask of a master. Every method throws SteleError. */
export interface LoadCalls {
  beginLoad(request: BeginLoadRequest): Promise<BeginLoadResponse>;
  reportProgress(
    request: ReportProgressRequest,
  ): ReportProgressResponse | Promise<ReportProgressResponse>;
  commitLoad(request: CommitLoadRequest): Promise<CommitLoadResponse>;
  abortLoad(request: AbortLoadRequest): Promise<void>;
}

/** Users, roles and tokens. Every method throws SteleError. */
export interface AccessCalls {
  /** What processes decide by. */
  accessList(): Promise<AccessList>;
  listUsers(): Promise<ListUsersResponse>;
  addUser(request: AddUserRequest): Promise<void>;
  changeUser(request: ChangeUserRequest): Promise<void>;
  removeUser(name: string): Promise<void>;
  listRoles(): Promise<ListRolesResponse>;
  putRole(request: PutRoleRequest): Promise<void>;
  removeRole(name: string): Promise<void>;
  createToken(request: CreateTokenRequest): Promise<CreateTokenResponse>;
  listTokens(request: ListTokensRequest): Promise<ListTokensResponse>;
  revokeToken(id: string): Promise<void>;
}

/** Everything that only the leader can answer, in this process or another one. */
export interface LeaderCalls {
  readonly operations: ClusterCalls;
  readonly registrar: Registrar;
  readonly loads: LoadCalls;
  readonly access: AccessCalls;
}
