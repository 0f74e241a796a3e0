// The datanode on the network: the only file of this role that opens sockets and starts timers.
//
// Start: lock the folder, open the ports (so that health checks are answered from the first
// moment), announce to the master, verify what is on disk. Stop: become unready, give the streams
// time to end, close the ports, release the lock.

import { openStore } from '../archive/open-store.ts';
import { BackgroundTasks } from '../base/background.ts';
import { monotonicNowMs } from '../base/clock.ts';
import { connectionLimit } from '../base/process/descriptors.ts';
import { SteleError } from '../base/errors.ts';
import { lockFolder } from '../base/disk/folder-lock.ts';
import type { FolderLock } from '../base/disk/folder-lock.ts';
import { announcedAddress } from '../transport/host-address.ts';
import { nodeId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { memoryWarning } from '../base/process/usable-memory.ts';
import { GrpcLinkFactory } from '../transport/grpc-link.ts';
import { GrpcServer } from '../transport/grpc-server.ts';
import { roleIdentity } from '../transport/role-identity.ts';
import type { RoleIdentity } from '../transport/role-identity.ts';
import { followAccess } from './access-feed.ts';
import { DatanodeServiceService } from '../proto/gen/stele/v1/datanode.ts';
import type { NodeAddress } from '../proto/gen/stele/v1/view.ts';
import type { DatanodeLink, LinkFactory, Registrar } from '../proto/ports.ts';
import { startRespListener } from '../resp/server/listener.ts';
import type { RespListener } from '../resp/server/listener.ts';
import { directLink } from './endpoints/direct-link.ts';
import { datanodeService, datanodeLookupService } from './endpoints/grpc-service.ts';
import { processOverhead } from './process-overhead.ts';
import { startDatanodeHttp } from './endpoints/http.ts';
import { threadSource } from './disk/open-source.ts';
import { NodeIdentity } from './identity.ts';
import type { Datanode } from './node.ts';
import { notReadyReason } from './endpoints/readiness.ts';
import { GrpcRegistrar } from './registration.ts';
import { DatanodeRespBackend } from './endpoints/resp-backend.ts';
import { memoryLimits } from './settings.ts';
import type { DatanodeSettings } from './settings.ts';
import { openNode, runNode } from './start-node.ts';
import type { OpenNodeOptions } from './start-node.ts';
import { LookupServiceService } from '../proto/gen/stele/v1/lookup.ts';

const CLOSE_DEADLINE_MS = 5000;
/** RESP, gRPC, lookups, other HTTP. */
const CONNECTION_KINDS = 4;
const READINESS_INTERVAL_MS = 250;

export interface StartDatanodeOptions {
  readonly log: Logger;
  /** How peers are reached. Default: gRPC. */
  readonly linkFactory?: LinkFactory;
  /** How the master is reached. Default: gRPC at `settings.master`. */
  readonly registrar?: Registrar;
  /** Whether nothing else runs in this process, so that --memory-max is about all of it. */
  readonly isAlone?: boolean;
  /** Called when the master wants this process to be restarted; only with --restartable. */
  readonly onRestart?: () => void;
}

export interface RunningDatanode {
  readonly nodeId: string;
  readonly address: NodeAddress;
  /** For a master in the same process. */
  readonly link: DatanodeLink;
  /** Resolves when the segments on disk have been verified. */
  readonly opened: Promise<void>;
  /** Opens the files of its logs again, after they were renamed; undefined if there are none. */
  readonly reopenLogs: (() => void) | undefined;
  close(): Promise<void>;
}

/** Starts a datanode; resolves when its ports are open. Throws SteleError. */
export async function startDatanode(
  settings: DatanodeSettings,
  options: StartDatanodeOptions,
): Promise<RunningDatanode> {
  if (settings.id === '') {
    throw new SteleError('INVALID_ARGUMENT', 'A datanode needs a name: give it with --id NAME.');
  }
  const id = nodeId(settings.id);
  const lock = lockFolder(settings.dataDir, 'datanode');
  try {
    const identity = await NodeIdentity.open(settings.dataDir, id, options.log);
    return await startLocked(settings, options, identity, lock);
  } catch (thrown) {
    lock.release();
    throw thrown;
  }
}

async function startLocked(
  settings: DatanodeSettings,
  options: StartDatanodeOptions,
  identity: NodeIdentity,
  lock: FolderLock,
): Promise<RunningDatanode> {
  const { log } = options;
  const warning = memoryWarning(settings.memoryMax);
  if (warning !== undefined) log.warn(warning);
  const background = new BackgroundTasks(log);
  const appearance = roleIdentity(settings, `datanode ${identity.nodeId}`, log);
  const { access, audit, tls } = appearance;
  const parts = { background, log };
  const node = await openNode({
    ...nodeSettings(settings, options),
    identity,
    links: options.linkFactory ?? new GrpcLinkFactory(appearance),
    ...parts,
  });
  const unfollow =
    access &&
    followAccess(node, access, {
      masters: settings.master,
      identity: appearance,
      folder: settings.dataDir,
      ...parts,
    });
  const connectionsMax = connectionLimit(settings.connectionsMax, CONNECTION_KINDS, log);
  const ports = await openPorts(node, { ...settings, connectionsMax }, appearance, parts);
  const stop = new AbortController();
  const registrar = options.registrar ?? new GrpcRegistrar(settings.master, appearance);
  tls?.watch(log);
  const opened = runNode(node, {
    background,
    log,
    registrar,
    place: settings,
    stop: stop.signal,
    scrub: {
      bytesPerSecond: settings.scrubBytesPerSecond,
      intervalMs: settings.scrubInterval,
    },
  });
  return {
    nodeId: identity.nodeId,
    address: node.address,
    link: directLink(node),
    opened,
    reopenLogs: audit?.sink?.reopen,
    close: async () => {
      stop.abort();
      unfollow?.();
      await ports.close();
      await node.close();
      if (registrar instanceof GrpcRegistrar) registrar.close();
      await background.settled();
      await appearance.close();
      lock.release();
    },
  };
}

/** The part of a node's options that follows from settings alone. */
function nodeSettings(
  settings: DatanodeSettings,
  { isAlone = false, log, onRestart }: StartDatanodeOptions,
): Omit<OpenNodeOptions, 'identity' | 'links' | 'background' | 'log'> {
  const blockSource = threadSource(settings.diskIo, settings.diskThreads, log);
  return {
    folder: settings.dataDir,
    diskReserveBytes: settings.diskReserve,
    zone: settings.zone,
    ...memoryLimits(settings),
    overhead: isAlone ? processOverhead(settings, blockSource) : undefined,
    blockSource,
    copyConcurrency: settings.copyConcurrency,
    openObjectStore: ({ url, ...how }) => openStore(url, how),
    serveWithoutMasterMaxMs: settings.serveWithoutMasterMax,
    onRestart: settings.restartable ? onRestart : undefined,
    hasIntakeBrake: settings.intakeBrake === 'on',
  };
}

async function openPorts(
  node: Datanode,
  settings: DatanodeSettings,
  { access, audit, notes, tls }: RoleIdentity,
  { background, log }: { readonly background: BackgroundTasks; readonly log: Logger },
): Promise<{ close(): Promise<void> }> {
  const closers: (() => Promise<void>)[] = [];
  try {
    const door = {
      access,
      audit,
      log,
      keyspaceOf: (_: string, uid: string) => node.cluster.keyspaceOf(uid)?.name ?? '',
    };
    const grpc = new GrpcServer(settings.connectionsMax, undefined, door);
    grpc.addService(DatanodeServiceService, datanodeService(node));
    grpc.addService(LookupServiceService, datanodeLookupService(node));
    const grpcPort = await grpc.listen(settings.host, settings.grpcPort, '--grpc-port', tls);
    const readiness = setInterval(() => {
      node.checkContact(monotonicNowMs());
      grpc.setReadiness(notReadyReason(node) === undefined ? 'SERVING' : 'NOT_SERVING');
    }, READINESS_INTERVAL_MS);
    closers.push(async () => {
      clearInterval(readiness);
      grpc.setReadiness('NOT_SERVING');
      await grpc.close(CLOSE_DEADLINE_MS);
    });
    const resp = await openResp(node, settings, { access, audit, tls }, log);
    closers.push(() => resp.close(CLOSE_DEADLINE_MS));
    const http = await startDatanodeHttp({
      node,
      background,
      host: settings.host,
      port: settings.httpPort,
      tls,
      access,
      audit,
      notes,
      connectionsMax: settings.connectionsMax,
      respTraffic: () => resp.traffic,
    });
    closers.push(() => http.close());
    const listening = { httpPort: http.port, respPort: resp.port, grpcPort };
    node.announce(await announcement(settings, listening, log));
  } catch (thrown) {
    await Promise.allSettled(closers.map((close) => close()));
    throw thrown;
  }
  return {
    close: async () => {
      await Promise.allSettled(closers.map((close) => close()));
    },
  };
}

/**
 * The addresses that others dial: the configured ones, or else those where this process listens.
 */
async function announcement(
  settings: DatanodeSettings,
  listening: Omit<NodeAddress, 'host'>,
  log: Logger,
): Promise<NodeAddress> {
  const { announceHost, announceHttpPort, announceRespPort, announceGrpcPort } = settings;
  const host =
    announceHost === '' ? await announcedAddress(settings.host, settings.master) : announceHost;
  if (announceHost === '' && host !== settings.host) {
    const text = `others will dial ${host}; set another address with --announce-host`;
    log.info({ host: settings.host, announced: host }, text);
  }
  return {
    host,
    httpPort: announceHttpPort || listening.httpPort,
    respPort: announceRespPort || listening.respPort,
    grpcPort: announceGrpcPort || listening.grpcPort,
  };
}

async function openResp(
  node: Datanode,
  settings: DatanodeSettings,
  { access, audit, tls }: Pick<RoleIdentity, 'access' | 'audit' | 'tls'>,
  log: Logger,
): Promise<RespListener> {
  const backend = new DatanodeRespBackend(node, () => listener.counts, monotonicNowMs());
  const listener: RespListener = await startRespListener({
    host: settings.host,
    port: settings.respPort,
    tls,
    access,
    audit,
    backend,
    maxConnections: settings.connectionsMax,
    timing: settings,
    log,
  });
  return listener;
}
