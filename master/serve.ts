// The doors of a master or a query node: HTTP, Redis protocol and gRPC, over a seat.
//
//   open    gRPC port -> front (HTTP, RESP) -> seat
//   close   the seat hands over -> unready -> watches -> gRPC -> front

import type { Access } from '../access/access.ts';
import { ListFeed } from '../access/list-feed.ts';
import type { BackgroundTasks } from '../base/background.ts';
import { connectionLimit } from '../base/process/descriptors.ts';
import type { Logger } from '../base/log.ts';
import { clusterServiceDefinition } from '../proto/encoded-view.ts';
import { AccessServiceService } from '../proto/gen/stele/v1/access.ts';
import { LoadServiceService } from '../proto/gen/stele/v1/load.ts';
import type { LoadServiceServer } from '../proto/gen/stele/v1/load.ts';
import type { LoadCalls, ViewSource } from '../proto/operations.ts';
import { GrpcServer } from '../transport/grpc-server.ts';
import { checkPortsFree } from '../transport/listen.ts';
import { roleIdentity } from '../transport/role-identity.ts';
import type { RoleIdentity } from '../transport/role-identity.ts';
import { unary } from './callers/grpc-handlers.ts';
import { startFront } from './front/front.ts';
import { accessService } from './operations/access-service.ts';
import { ViewWatchers, clusterService } from './operations/cluster-service.ts';
import type { Closer, Seat } from './seat.ts';
import type { QuerySettings } from './settings.ts';

/** Kinds of client connections: HTTP, RESP, gRPC. */
const CONNECTION_KINDS = 3;
const FRONT_CLOSE_MS = 4_000;
const GRPC_CLOSE_MS = 2_000;

export interface Ports {
  readonly http: number;
  readonly resp: number;
  readonly grpc: number;
}

interface ServeOptions {
  /** Default: master. */
  readonly role?: 'master' | 'query';
  readonly background: BackgroundTasks;
  readonly log: Logger;
  /** Called in reverse order when the process closes. */
  readonly closers: Closer[];
  /** Whether the ports are those of TLS, and who is let in. */
  readonly identity: RoleIdentity;
}

/** Opens all ports. Throws PORT_IN_USE with the setting to change. */
export async function serve(
  settings: Omit<QuerySettings, 'master'>,
  seat: Seat,
  { background, closers, identity, log, role = 'master' }: ServeOptions,
): Promise<Ports> {
  const { access, audit, notes, tls } = identity;
  const { loads, operations, registrar } = seat;
  const watchers = new ViewWatchers(operations);
  const loadOf = async (loadId: string) => (await operations.getLoad({ loadId })).keyspace;
  const door = { access, audit, log, keyspaceOf: (_: string, loadId: string) => loadOf(loadId) };
  const grpc = new GrpcServer(settings.connectionsMax, undefined, door);
  grpc.addService(AccessServiceService, accessService(seat.access));
  grpc.addService(LoadServiceService, loadService(loads));
  const front = await startFront({
    settings: {
      ...settings,
      cacheMaxBytes: settings.cacheMax,
      timing: settings,
      ...frontLimits(settings),
    },
    role,
    operations,
    links: (nodeId) => seat.linkTo(nodeId),
    onTrouble: (nodeId) => seat.onTrouble(nodeId),
    grpcServer: grpc,
    tls,
    access,
    audit,
    notes,
    background,
    loadEnds: () => seat.loadEnds(),
    log,
  });
  const reads = () => front.reads();
  const service = clusterService(operations, registrar, watchers, reads, audit);
  grpc.addService(clusterServiceDefinition, service);
  closers.push(() => front.close(FRONT_CLOSE_MS));
  closers.push(() => grpc.close(GRPC_CLOSE_MS));
  const grpcPort = await grpc.listen(settings.host, settings.grpcPort, '--grpc-port', tls);

  closers.push(() => watchers.close());
  if (access !== undefined) followAccess(access, seat, log, closers);
  followReadiness(grpc, operations, closers);
  await seat.start(grpcPort);
  // First of all when it closes.
  closers.push(() => seat.handOver());
  return { http: front.httpPort, resp: front.respPort, grpc: grpcPort };
}

function frontLimits(settings: Omit<QuerySettings, 'master'>): {
  readonly maxConnections: number;
  readonly lookupDeadlineMs: number;
} {
  return { maxConnections: settings.connectionsMax, lookupDeadlineMs: settings.lookupDeadline };
}

/** stele.v1.LoadService over the loads. */
function loadService(loads: LoadCalls): LoadServiceServer {
  return {
    beginLoad: unary((request) => loads.beginLoad(request)),
    reportProgress: unary((request) => loads.reportProgress(request)),
    commitLoad: unary((request) => loads.commitLoad(request)),
    abortLoad: unary(async (request) => {
      await loads.abortLoad(request);
      return {};
    }),
  };
}

/** Decides by the users and roles of the view. */
function followAccess(access: Access, seat: Seat, log: Logger, closers: Closer[]): void {
  const { operations } = seat;
  const feed = new ListFeed({ access, fetch: () => seat.access.accessList(), log });
  closers.push(operations.subscribe(({ accessDigest }) => feed.want(accessDigest)));
  closers.push(() => feed.close());
  feed.want(operations.current().accessDigest);
}

/** `grpc.health.v1` reports the health of the view, and NOT_SERVING as soon as a close begins. */
function followReadiness(grpc: GrpcServer, operations: ViewSource, closers: Closer[]): void {
  const tell = (ready: boolean): void => grpc.setReadiness(ready ? 'SERVING' : 'NOT_SERVING');
  const unsubscribe = operations.subscribe((view) => tell(view.ready));
  tell(operations.current().ready);
  closers.push(() => {
    unsubscribe();
    tell(false);
  });
}

export interface ProcessHandle {
  /** Opens the files of its logs again, after they were renamed; undefined if there are none. */
  readonly reopenLogs: (() => void) | undefined;
  close(): Promise<void>;
}

/**
 * Opens a process by `open`, which pushes what is to be closed again. If it throws, everything is
 * closed. `name` is that of the process in its audit log. `lock` keeps others away and comes first.
 * The settings that `open` gets have the limit of connections that this process can hold.
 */
export async function openProcess<Settings extends Omit<QuerySettings, 'master'>, Opened>(
  settings: Settings,
  log: Logger,
  open: (settings: Settings, closers: Closer[], identity: RoleIdentity) => Promise<Opened>,
  { name, lock }: { readonly name: 'master' | 'query'; readonly lock?: () => { release(): void } },
): Promise<Opened & ProcessHandle> {
  const closers: Closer[] = [];
  try {
    const connectionsMax = connectionLimit(settings.connectionsMax, CONNECTION_KINDS, log);
    const locked = lock?.();
    closers.push(() => locked?.release());
    const identity = roleIdentity(settings, name, log);
    closers.push(() => identity.close());
    identity.tls?.watch(log);
    await checkPortsFree(settings.host, {
      'http-port': settings.httpPort,
      'resp-port': settings.respPort,
      'grpc-port': settings.grpcPort,
    });
    const opened = await open({ ...settings, connectionsMax }, closers, identity);
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => (closing ??= closeAll(closers, log));
    return { ...opened, reopenLogs: identity.audit?.sink?.reopen, close };
  } catch (thrown) {
    await closeAll(closers, log);
    throw thrown;
  }
}

/** Closes in reverse order of opening. A failure is logged and does not stop the rest. */
async function closeAll(closers: Closer[], log: Logger): Promise<void> {
  for (let closer = closers.pop(); closer !== undefined; closer = closers.pop()) {
    try {
      await closer();
    } catch (thrown) {
      log.error({ err: thrown }, 'a resource could not be closed');
    }
  }
}
