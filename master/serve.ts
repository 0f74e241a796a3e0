// The doors of a master or a query node: HTTP, Redis protocol and gRPC, over a seat.
//
//   open    gRPC port -> front (HTTP, RESP) -> seat
//   close   the seat hands over -> unready -> watches -> gRPC -> front

import type { BackgroundTasks } from '../base/background.ts';
import { connectionLimit } from '../base/disk/descriptors.ts';
import type { Logger } from '../base/log.ts';
import { clusterServiceDefinition } from '../proto/encoded-view.ts';
import { LoadServiceService } from '../proto/gen/stele/v1/load.ts';
import type { LoadServiceServer } from '../proto/gen/stele/v1/load.ts';
import type { LoadCalls, ViewSource } from '../proto/operations.ts';
import { GrpcServer } from '../transport/grpc-server.ts';
import { checkPortsFree } from '../transport/listen.ts';
import { roleTls } from '../transport/tls/open-tls.ts';
import type { TlsIdentity } from '../transport/tls/tls-identity.ts';
import { unary } from './callers/grpc-handlers.ts';
import { startFront } from './front/front.ts';
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
  /** Makes the ports those of TLS; undefined: without. */
  readonly tls: TlsIdentity | undefined;
}

/** Opens all ports. Throws PORT_IN_USE with the setting to change. */
export async function serve(
  settings: Omit<QuerySettings, 'master'>,
  seat: Seat,
  { background, closers, log, role = 'master', tls }: ServeOptions,
): Promise<Ports> {
  const { loads, operations, registrar } = seat;
  const watchers = new ViewWatchers(operations);
  const grpc = new GrpcServer(settings.connectionsMax);
  grpc.addService(clusterServiceDefinition, clusterService(operations, registrar, watchers));
  grpc.addService(LoadServiceService, loadService(loads));
  const front = await startFront({
    settings: { ...settings, cacheMaxBytes: settings.cacheMax, ...frontLimits(settings) },
    role,
    operations,
    links: (nodeId) => seat.linkTo(nodeId),
    onTrouble: (nodeId) => seat.onTrouble(nodeId),
    grpcServer: grpc,
    tls,
    background,
    loadEnds: () => seat.loadEnds(),
    log,
  });
  closers.push(() => front.close(FRONT_CLOSE_MS));
  closers.push(() => grpc.close(GRPC_CLOSE_MS));
  const grpcPort = await grpc.listen(settings.host, settings.grpcPort, '--grpc-port', tls);

  closers.push(() => watchers.close());
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

/**
 * Opens a process by `open`, which pushes what is to be closed again. If it throws, everything is
 * closed. `lock` keeps others away and comes first. The settings that `open` gets have the limit of
 * connections that this process can hold; `tls` is its identity, and undefined without TLS.
 */
export async function openProcess<Settings extends Omit<QuerySettings, 'master'>, Opened>(
  settings: Settings,
  log: Logger,
  open: (settings: Settings, closers: Closer[], tls: TlsIdentity | undefined) => Promise<Opened>,
  lock?: () => { release(): void },
): Promise<Opened & { close(): Promise<void> }> {
  const closers: Closer[] = [];
  try {
    const connectionsMax = connectionLimit(settings.connectionsMax, CONNECTION_KINDS, log);
    const locked = lock?.();
    closers.push(() => locked?.release());
    const tls = roleTls(settings)?.watch(log);
    closers.push(() => tls?.close());
    await checkPortsFree(settings.host, {
      'http-port': settings.httpPort,
      'resp-port': settings.respPort,
      'grpc-port': settings.grpcPort,
    });
    const opened = await open({ ...settings, connectionsMax }, closers, tls);
    let closing: Promise<void> | undefined;
    return { ...opened, close: () => (closing ??= closeAll(closers, log)) };
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
