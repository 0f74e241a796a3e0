// The master as a process: the one place of this role that opens files and sockets and starts
// timers, and closes them again in order.
//
//   start   lock -> ports free -> metadata -> epoch -> leader -> gRPC port -> front (HTTP, RESP) -> loop
//   close   unready -> front -> gRPC -> leader -> metadata -> lock, within 10 seconds

import { BackgroundTasks } from '../base/background.ts';
import { monotonicNowMs, sleep, wallClockIso } from '../base/clock.ts';
import { connectionLimit } from '../base/descriptors.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import { lockFolder } from '../base/folder-lock.ts';
import { checkPortsFree } from '../base/host-address.ts';
import { randomId } from '../base/ids.ts';
import { SHARD_COUNT_DEFAULT } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { clusterServiceDefinition } from '../proto/encoded-view.ts';
import { LoadServiceService } from '../proto/gen/stele/v1/load.ts';
import { GrpcLinkFactory } from '../transport/grpc-link.ts';
import { GrpcServer } from '../transport/grpc-server.ts';
import type { ClusterOperations } from '../proto/operations.ts';
import type { LinkFactory, Registrar } from '../proto/ports.ts';
import { assertShardCount } from '../base/shard-count.ts';
import { andThen, Catalog } from './catalog/catalog.ts';
import { setVirtualNodes, startEpoch } from './catalog/cluster-transitions.ts';
import type { MasterStart } from './catalog/cluster-transitions.ts';
import { EVENTS } from './catalog/events.ts';
import { currentActor } from './callers/actor.ts';
import { clusterOf, epochOf } from './catalog/queries.ts';
import { ChangeQueue } from './metadata/change-queue.ts';
import { ViewWatchers, clusterService } from './operations/cluster-service.ts';
import { startFront } from './front/front.ts';
import { Leader } from './control/leader.ts';
import type { LeaderOptions } from './control/leader.ts';
import { LoadEnds } from './loads/load-ends.ts';
import { loadService } from './loads/load-service.ts';
import { Loads } from './loads/loads.ts';
import { openEmbeddedMetadata } from './metadata/embedded.ts';
import type { EmbeddedMetadata } from './metadata/embedded.ts';
import { Operations } from './operations/operations.ts';
import { NodeRegistrar } from './control/registration.ts';
import type { MasterSettings } from './settings.ts';

/** Kinds of client connections: HTTP, RESP, gRPC. */
const CONNECTION_KINDS = 3;
const LEADER_LEASE_MS = 10_000;
const LOAD_EXPIRY_INTERVAL_MS = 60_000;
const FRONT_CLOSE_MS = 4_000;
const GRPC_CLOSE_MS = 2_000;
const BACKGROUND_CLOSE_MS = 2_000;
const METADATA_CLOSE_MS = 1_000;
/** A read that began at the last moment is over by then. */
const RETIRE_SLACK_MS = 500;
/** Silent heartbeats after which even a node that verifies its files counts as down. */
const INITIALIZING_DOWN_MISSES = 10;

export interface MasterDependencies {
  readonly log: Logger;
  /** How datanodes are reached; default: gRPC. */
  readonly linkFactory?: LinkFactory;
}

export interface Master {
  readonly ports: { readonly http: number; readonly resp: number; readonly grpc: number };
  readonly operations: ClusterOperations;
  readonly registrar: Registrar;
  /** Resolves when another master has taken the cluster over: close this one and end. Mostly never. */
  readonly replaced: Promise<SteleError>;
  /** For loads from within this process. */
  readonly loads: Loads;
  close(): Promise<void>;
}

type Closer = () => void | Promise<void>;

/**
 * Starts a master; resolves when all its ports are open, also where its epoch cannot be saved yet. Throws LOCKED,
 * CORRUPT, PORT_IN_USE and INVALID_ARGUMENT, and DISK_FULL at a first start, with nothing left open.
 */
export async function startMaster(
  settings: MasterSettings,
  dependencies: MasterDependencies,
): Promise<Master> {
  const closers: Closer[] = [];
  try {
    const { log } = dependencies;
    const connectionsMax = connectionLimit(settings.connectionsMax, CONNECTION_KINDS, log);
    return await openMaster({ ...settings, connectionsMax }, dependencies, closers);
  } catch (thrown) {
    await closeAll(closers, dependencies.log);
    throw thrown;
  }
}

async function openMaster(
  settings: MasterSettings,
  { log, linkFactory = new GrpcLinkFactory() }: MasterDependencies,
  closers: Closer[],
): Promise<Master> {
  assertShardCount(settings.shards);
  const lock = lockFolder(settings.dataDir, 'master');
  closers.push(() => lock.release());
  await checkPortsFree(settings.host, {
    'http-port': settings.httpPort,
    'resp-port': settings.respPort,
    'grpc-port': settings.grpcPort,
  });
  const metadata = await openEmbeddedMetadata(settings.dataDir, log);
  // Behind a write that hangs it would wait without end; what was acknowledged is on disk.
  closers.push(() => Promise.race([metadata.close(), sleep(METADATA_CLOSE_MS)]));
  const loadEnds = new LoadEnds();
  const term = randomId();
  // Its first commit forgets it.
  const { restored } = metadata;
  const catalog = await openCatalog(metadata, settings, term, log, loadEnds);
  const background = new BackgroundTasks(log);
  closers.push(() => Promise.race([background.settled(), sleep(BACKGROUND_CLOSE_MS)]));
  let onReplaced: (why: SteleError) => void = () => undefined;
  const replaced = new Promise<SteleError>((resolve) => {
    onReplaced = resolve;
  });
  const parts = { catalog, links: linkFactory, background, log, onReplaced };
  const leader = newLeader(parts, { restored, term }, settings);
  closers.push(() => leader.close());
  const loads = new Loads(leader, log, loadEnds);
  const operations = new Operations(leader, loads);
  const registrar = new NodeRegistrar(leader);

  const watchers = new ViewWatchers(operations);
  const grpc = new GrpcServer(settings.connectionsMax);
  grpc.addService(clusterServiceDefinition, clusterService(operations, registrar, watchers));
  grpc.addService(LoadServiceService, loadService(loads));
  const front = await startFront({
    settings: { ...settings, cacheMaxBytes: settings.cacheMax, ...frontLimits(settings) },
    operations,
    links: (nodeId) => leader.roster.connections.getClient(nodeId),
    onTrouble: (nodeId) => leader.doubt(nodeId),
    grpcServer: grpc,
    background,
    loadEnds: () => loadEnds.counts,
    log,
  });
  closers.push(() => front.close(FRONT_CLOSE_MS));
  closers.push(() => grpc.close(GRPC_CLOSE_MS));
  const grpcPort = await grpc.listen(settings.host, settings.grpcPort, '--grpc-port');

  closers.push(() => watchers.close());
  followReadiness(grpc, operations, closers);
  leader.start();
  expireLoads(loads, background, closers);
  const ports = { http: front.httpPort, resp: front.respPort, grpc: grpcPort };
  log.info({ ...ports, cluster: clusterOf(catalog.state).id }, 'the master is up');
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= closeAll(closers, log));
  return { ports, operations, registrar, replaced, loads, close };
}

function frontLimits(settings: MasterSettings): {
  readonly maxConnections: number;
  readonly lookupDeadlineMs: number;
} {
  return { maxConnections: settings.connectionsMax, lookupDeadlineMs: settings.lookupDeadline };
}

/** Takes the leadership and begins its epoch, as soon as that can be saved (leadership.ts). */
async function openCatalog(
  metadata: EmbeddedMetadata,
  settings: MasterSettings,
  term: string,
  log: Logger,
  loadEnds: LoadEnds,
): Promise<Catalog> {
  const lease = await metadata.lease('leader', LEADER_LEASE_MS);
  if (lease === undefined) throw new SteleError('LOCKED', 'Another master is the leader.');
  const recorder = { ...EVENTS, currentActor, nowIso: wallClockIso };
  const catalog = await Catalog.load(metadata, new ChangeQueue({ log }), recorder);
  catalog.onEvent = ({ uid: _uid, at: _at, what, ...event }) => {
    log.info(event, `event: ${what}`);
    loadEnds.noteEvent({ what });
  };
  const fresh = { id: randomId(), shardCount: settings.shards, createdAt: wallClockIso() };
  const { shards, dataDir, virtualNodes } = settings;
  const { restored } = metadata;
  try {
    await catalog.begin((state) => {
      const started = startEpoch(state, fresh, { restored, term });
      // Kept in the catalog, so that a start without the flag moves nothing.
      return virtualNodes === 0
        ? started
        : andThen(state, started, (next) => setVirtualNodes(next, virtualNodes));
    });
  } catch (thrown) {
    // Without a cluster there is nothing to answer from.
    if (!catalog.state.cluster.has('') || !isTriedAgain(thrown)) throw thrown;
    const { code, message } = toSteleError(thrown);
    const text = `${message} Until the epoch of this start is saved, this master only answers reads.`;
    log.error({ code }, text);
  }
  const cluster = clusterOf(catalog.state);
  // The default was not asked for by anybody.
  if (cluster.shardCount !== shards && shards !== SHARD_COUNT_DEFAULT) {
    log.warn(
      { shards: cluster.shardCount, asked: shards },
      `the cluster in ${dataDir} has ${cluster.shardCount} shards, fixed with its first start; --shards ${shards} is not used`,
    );
  }
  log.info({ cluster: cluster.id, epoch: epochOf(catalog.state) }, 'the catalog is open');
  return catalog;
}

/** A disk that is full, fails or hangs may be well again. */
function isTriedAgain(thrown: unknown): boolean {
  return (['DISK_FULL', 'IO', 'OUTCOME_UNKNOWN'] as unknown[]).includes(toSteleError(thrown).code);
}

function newLeader(
  parts: Omit<LeaderOptions, 'clock' | 'settings'>,
  start: MasterStart,
  settings: MasterSettings,
): Leader {
  return new Leader({
    ...parts,
    clock: monotonicNowMs,
    settings: {
      ...start,
      replication: settings.replication,
      heartbeatIntervalMs: settings.heartbeatInterval,
      heartbeatDeadlineMs: settings.heartbeatDeadline,
      membership: {
        suspectMisses: settings.suspectMisses,
        downMisses: Math.max(settings.suspectMisses, settings.downMisses),
        initializingDownMisses: Math.max(INITIALIZING_DOWN_MISSES, settings.downMisses),
        repairDelayMs: settings.repairDelay,
      },
      mergeBytesPerSecondMax: settings.mergeBytesPerSecond,
      repair: {
        copiesPerNodeMax: settings.copiesPerNode,
        bytesPerSecondMax: settings.repairBytesPerSecond,
      },
      retireDelayMs: Math.max(settings.retireDelay, settings.lookupDeadline + RETIRE_SLACK_MS),
    },
  });
}

/** `grpc.health.v1` says what the view says, and NOT_SERVING from the first moment of a close. */
function followReadiness(grpc: GrpcServer, operations: Operations, closers: Closer[]): void {
  const tell = (ready: boolean): void => grpc.setReadiness(ready ? 'SERVING' : 'NOT_SERVING');
  const unsubscribe = operations.subscribe((view) => tell(view.ready));
  tell(operations.current().ready);
  closers.push(() => {
    unsubscribe();
    tell(false);
  });
}

function expireLoads(loads: Loads, background: BackgroundTasks, closers: Closer[]): void {
  const stop = new AbortController();
  closers.push(() => stop.abort());
  background.repeat('expire-loads', LOAD_EXPIRY_INTERVAL_MS, stop.signal, () => loads.expire());
}

/** Last opened, first closed; a failure is logged and the rest goes on. */
async function closeAll(closers: Closer[], log: Logger): Promise<void> {
  for (let closer = closers.pop(); closer !== undefined; closer = closers.pop()) {
    try {
      await closer();
    } catch (thrown) {
      log.error({ err: thrown }, 'the master could not close something');
    }
  }
}
