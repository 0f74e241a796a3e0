// The master as a process: the only file of this role that opens files and sockets and starts
// timers, and closes them again in order.
//
//   start   lock -> ports free -> metadata -> epoch -> leader -> gRPC port -> front (HTTP, RESP) -> loop
//   close   unready -> front -> gRPC -> leader -> metadata -> lock, within 10 seconds
//
// One of several masters (--metadata etcd) has no lock and no leader of its own at first: it opens
// its ports, and stands for election (candidate/). When it closes, it hands the lead over before
// anything else.

import { hostAndPort } from '../base/address.ts';
import { BackgroundTasks } from '../base/background.ts';
import { sleep, wallClockIso } from '../base/clock.ts';
import type { SteleError } from '../base/errors.ts';
import { lockFolder } from '../base/disk/folder-lock.ts';
import type { Logger } from '../base/log.ts';
import { assertShardCount } from '../base/shard-count.ts';
import type { ClusterOperations } from '../proto/operations.ts';
import type { LinkFactory, Registrar } from '../proto/ports.ts';
import { GrpcLinkFactory } from '../transport/grpc-link.ts';
import type { RoleIdentity } from '../transport/role-identity.ts';
import { openCandidate } from './candidate/open-candidate.ts';
import { deepStoreOf } from './control/archiving/deep-store.ts';
import { ControlPlane } from './control-plane.ts';
import type { EtcdApi } from './metadata/etcd/api.ts';
import { openEmbeddedMetadata } from './metadata/embedded.ts';
import type { Closer, Seat, SeatOptions } from './seat.ts';
import { openProcess, serve } from './serve.ts';
import type { Ports, ProcessHandle } from './serve.ts';
import type { MasterSettings } from './settings.ts';

const BACKGROUND_CLOSE_MS = 2_000;
const METADATA_CLOSE_MS = 1_000;

export interface MasterDependencies {
  readonly log: Logger;
  /** How datanodes are reached. Default: gRPC. */
  readonly linkFactory?: LinkFactory;
  /** In place of the etcd that the settings name. It is closed with the master. */
  readonly etcd?: EtcdApi;
}

export interface Master extends ProcessHandle {
  readonly ports: Ports;
  readonly operations: ClusterOperations;
  readonly registrar: Registrar;
  /**
   * Resolves when another master has taken over the cluster: close this one and exit. Usually
   * never.
   */
  readonly replaced: Promise<SteleError>;
}

/**
 * Starts a master. Resolves when all its ports are open, even if its epoch cannot be saved yet, or
 * another master leads. Throws LOCKED, CORRUPT, PORT_IN_USE and INVALID_ARGUMENT, and DISK_FULL at
 * a first start, with nothing left open.
 */
export function startMaster(
  settings: MasterSettings,
  { etcd, log, linkFactory }: MasterDependencies,
): Promise<Master> {
  const isShared = settings.metadata === 'etcd';
  const lock = () => lockFolder(settings.dataDir, 'master');
  const open = async (settled: MasterSettings, closers: Closer[], identity: RoleIdentity) => {
    assertShardCount(settings.shards);
    // A URL that is none must not wait for the moment when this master leads.
    deepStoreOf(settings);
    const background = new BackgroundTasks(log);
    const links = linkFactory ?? new GrpcLinkFactory(identity);
    const parts = { settings: settled, links, identity, background, log, etcd, closers };
    const seat = await (isShared ? openCandidate(parts) : openSoleMaster(parts));
    const ports = await serve(settled, seat, parts);
    log.info(ports, 'the master is up');
    const { operations, registrar, replaced } = seat;
    return { ports, operations, registrar, replaced };
  };
  return openProcess(settings, log, open, { name: 'master', ...(isShared ? {} : { lock }) });
}

/** The only master of its cluster, with its catalog in its data folder. */
async function openSoleMaster({ closers, ...parts }: SeatOptions): Promise<Seat> {
  const { background, log, settings } = parts;
  const metadata = await openEmbeddedMetadata(settings.dataDir, log);
  // After a write that hangs it would wait without end; what was acknowledged is on disk.
  closers.push(() => Promise.race([metadata.close(), sleep(METADATA_CLOSE_MS)]));
  closers.push(() => Promise.race([background.settled(), sleep(BACKGROUND_CLOSE_MS)]));
  const plane = await ControlPlane.open({ ...parts, metadata });
  closers.push(() => plane.close());
  const { access, leader, loadEnds, loads, operations, registrar, replaced } = plane;
  return {
    access,
    loads,
    operations,
    registrar,
    replaced,
    linkTo: (nodeId) => leader.roster.connections.getClient(nodeId),
    onTrouble: (nodeId) => leader.roster.reportTrouble(nodeId),
    loadEnds: () => loadEnds.counts,
    start: async (grpcPort) => {
      const host = settings.announceHost || settings.host;
      const port = settings.announceGrpcPort || grpcPort;
      operations.self = { address: hostAndPort(host, port), since: wallClockIso() };
      plane.start();
    },
    handOver: async () => undefined,
  };
}
