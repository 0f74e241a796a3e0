// What each gRPC method asks of its caller. A server does not start with a method that is not
// listed here.

import type { Right } from './rights.ts';

/** The field of a request that names a keyspace, by its name, its uid, or a load into it. */
export type KeyspaceField = 'keyspace' | 'keyspaceUid' | 'loadId';

/** The field of a request that names a user: by its name, or by the id of one of its tokens. */
export type OwnerField = 'user' | 'id';

/**
 * `open`: nothing; `cluster`: a process of the cluster; `user`: any user, whose answer has only
 * what it may read; otherwise a right: on the keyspace of a field, or on everything. `unlessOwn`:
 * users need none for what is about themselves.
 */
export type MethodAccess =
  | 'open'
  | 'cluster'
  | 'user'
  | { readonly right: Right; readonly of?: KeyspaceField; readonly unlessOwn?: OwnerField };

const read = { right: 'read', of: 'keyspace' } as const;
const load = { right: 'load', of: 'keyspace' } as const;
const loading = { right: 'load', of: 'loadId' } as const;
const operate = { right: 'operate', of: 'keyspace' } as const;
const operateAll = { right: 'operate' } as const;
const admin = { right: 'admin' } as const;

type Methods = Readonly<Record<string, MethodAccess>>;

const CLUSTER_SERVICE: Methods = {
  RegisterNode: 'cluster',
  GetView: 'user',
  WatchView: 'user',
  GetHealth: 'user',
  ListKeyspaces: 'user',
  GetKeyspace: read,
  // With the names and addresses of people.
  ListEvents: operateAll,
  ListAudit: admin,
  ListVersions: read,
  Rollback: load,
  Promote: load,
  DropVersion: operate,
  SetKeep: load,
  SetCache: operate,
  SetTier: operate,
  SetReplication: operate,
  ListLoads: 'user',
  GetLoad: { right: 'read', of: 'loadId' },
  CancelLoad: loading,
  DiffVersions: read,
  ListHotKeys: read,
  GetCost: read,
  // As the first load into a keyspace does.
  CreateKeyspace: load,
  DropKeyspace: operate,
  SuspendKeyspace: operate,
  ResumeKeyspace: operate,
  ListNodes: 'user',
  GetNode: 'user',
  ListShards: 'user',
  Explain: read,
  DrainNode: operateAll,
  ResumeNode: operateAll,
  RestartNode: operateAll,
  RemoveNode: operateAll,
  ListMasters: 'user',
  GetReadCounters: 'user',
  // With the names of keyspaces.
  GetArchive: operateAll,
  CleanArchive: operateAll,
  StepDown: operateAll,
  // All keyspaces with their settings, for a backup.
  GetRecords: operateAll,
  // Where the segments of a version are; they are fetched from the datanodes, for the same right.
  GetManifest: read,
};

const LOAD_SERVICE: Methods = {
  BeginLoad: load,
  ReportProgress: loading,
  CommitLoad: loading,
  AbortLoad: loading,
};

const ACCESS_SERVICE: Methods = {
  ListUsers: admin,
  AddUser: admin,
  ChangeUser: admin,
  RemoveUser: admin,
  ListRoles: admin,
  PutRole: admin,
  RemoveRole: admin,
  CreateToken: { right: 'admin', unlessOwn: 'user' },
  ListTokens: 'user',
  RevokeToken: { right: 'admin', unlessOwn: 'id' },
  GetAccessList: 'cluster',
};

const DATANODE_SERVICE: Methods = {
  Heartbeat: 'cluster',
  ListHoldings: 'cluster',
  ApplyView: 'cluster',
  PutManifest: 'cluster',
  CopySegments: 'cluster',
  DropSegments: 'cluster',
  Restart: 'cluster',
  // The library scans on the datanodes.
  ScanKeys: { right: 'read', of: 'keyspaceUid' },
  MeasureDeltas: 'cluster',
  ArchiveSegments: 'cluster',
  MergeSegments: 'cluster',
  DiffShards: 'cluster',
  GetHotKeys: 'cluster',
  MeasureRecords: 'cluster',
  CountReads: 'cluster',
};

const REFLECTION: Methods = { ServerReflectionInfo: 'user' };

const SERVICES: Readonly<Record<string, Methods>> = {
  'stele.v1.ClusterService': CLUSTER_SERVICE,
  'stele.v1.LoadService': LOAD_SERVICE,
  'stele.v1.AccessService': ACCESS_SERVICE,
  'stele.v1.DatanodeService': DATANODE_SERVICE,
  'stele.v1.LookupService': { Lookup: read },
  'grpc.health.v1.Health': { Check: 'open', List: 'open', Watch: 'open' },
  'grpc.reflection.v1.ServerReflection': REFLECTION,
  'grpc.reflection.v1alpha.ServerReflection': REFLECTION,
};

/** By the path of a method, `/stele.v1.LookupService/Lookup`; undefined if it is not listed. */
export const GRPC_METHODS: ReadonlyMap<string, MethodAccess> = new Map(
  Object.entries(SERVICES).flatMap(([service, methods]) =>
    Object.entries(methods).map(([name, access]) => [`/${service}/${name}`, access] as const),
  ),
);

/** Begin the names of methods that change nothing. */
const QUESTIONS = /^(?:List|Get|Watch|Report|ServerReflection)/;

/** Whether a method is a change that somebody asks for, and belongs into the audit log. */
export function isChange(path: string): boolean {
  const asked = GRPC_METHODS.get(path);
  if (asked === undefined || asked === 'open' || asked === 'cluster') return false;
  if (typeof asked === 'object' && asked.right === 'read') return false;
  return !QUESTIONS.test(path.slice(path.lastIndexOf('/') + 1));
}
