// What a master's process needs of its control plane, whether that is always open or only while it
// leads.

import type { BackgroundTasks } from '../base/background.ts';
import type { SteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { ClusterOperations, LeaderCalls } from '../proto/operations.ts';
import type { DatanodeLink, LinkFactory } from '../proto/ports.ts';
import type { EtcdApi } from './metadata/etcd/api.ts';
import type { DialIdentity } from '../transport/dial-identity.ts';
import type { MasterSettings } from './settings.ts';

export type Closer = () => void | Promise<void>;

export interface SeatOptions {
  readonly settings: MasterSettings;
  /** How datanodes are reached. */
  readonly links: LinkFactory;
  /** How this process appears to others. */
  readonly identity: DialIdentity;
  readonly background: BackgroundTasks;
  readonly log: Logger;
  /** In place of the etcd that the settings name. */
  readonly etcd?: EtcdApi | undefined;
  /** Called in reverse order when the master closes. */
  readonly closers: Closer[];
}

export interface Seat extends LeaderCalls {
  readonly operations: ClusterOperations;
  /** Resolves when another master has taken over the cluster and this one must end. */
  readonly replaced: Promise<SteleError>;
  /** The link to a datanode for reads; undefined while it is offline. */
  linkTo(nodeId: string): DatanodeLink | undefined;
  /** Called when a read of this node failed or is overdue. */
  onTrouble(nodeId: string): void;
  /** Loads that ended, by result. */
  loadEnds(): ReadonlyMap<string, number>;
  /** Called once the gRPC port is open. */
  start(grpcPort: number): Promise<void>;
  /** Lets another master lead, if there is one. */
  handOver(): Promise<void>;
}
