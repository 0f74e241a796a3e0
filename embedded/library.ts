// The exports of `import ... from 'stele'`: a cluster in this process, the client, the error type.

export { startCluster } from './start-cluster.ts';
export type {
  ClusterPorts,
  LocalCluster,
  LocalNode,
  StartClusterOptions,
} from './start-cluster.ts';
export { SteleClient } from '../client/stele-client.ts';
export type { ClientStats, SteleClientOptions } from '../client/stele-client.ts';
export type { ScanOptions } from '../client/key-scan.ts';
export type { VersionChange } from '../client/version-watch.ts';
export type {
  Key,
  KeyspaceInfo,
  ManyResult,
  PartialResult,
  ReadOptions,
  Value,
} from '../client/read-options.ts';
export { connectAdmin } from '../client/admin.ts';
export type { TlsSource } from '../transport/tls/tls-files.ts';
export { ERROR_TABLE, SteleError } from '../base/errors.ts';
export type { ErrorCode } from '../base/errors.ts';
