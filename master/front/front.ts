// The query front: opens the HTTP and RESP ports, adds the lookup service to the master's gRPC
// server, and closes them in order: readiness first, then the ports, then pending replies.

import type { FastifyInstance } from 'fastify';
import type { Access } from '../../access/access.ts';
import type { Audit } from '../../access/audit/audit.ts';
import type { BackgroundTasks } from '../../base/background.ts';
import { monotonicNowMs } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { ClusterOperations } from '../../proto/operations.ts';
import type { DatanodeLink } from '../../proto/ports.ts';
import { CommandTimes } from '../../resp/commands/command-times.ts';
import { TIMING_DEFAULTS } from '../../resp/commands/timing-settings.ts';
import type { TimingSettings } from '../../resp/commands/timing-settings.ts';
import type { ListenerCounts } from '../../resp/info/info.ts';
import { startRespListener } from '../../resp/server/listener.ts';
import type { RespListener } from '../../resp/server/listener.ts';
import { masterLookupService } from './lookup/grpc-lookup.ts';
import { createHttpApp } from './http/app.ts';
import { KeyScanner } from './resp/key-scanner.ts';
import { LookupCore } from './lookup/lookup-core.ts';
import { FrontMetrics } from './metrics.ts';
import type { FrontRole } from './metrics.ts';
import { statsJson } from './stats.ts';
import { MasterRespBackend } from './resp/resp-backend.ts';
import type { GrpcServer } from '../../transport/grpc-server.ts';
import { HttpTraffic, NO_TRAFFIC } from '../../base/process/http-traffic.ts';
import type { Traffic } from '../../base/process/http-traffic.ts';
import { listenHttp } from '../../transport/listen.ts';
import type { TlsIdentity } from '../../transport/tls/tls-identity.ts';
import type { ReadCounters } from '../../proto/gen/stele/v1/counters.ts';
import { LookupServiceService } from '../../proto/gen/stele/v1/lookup.ts';

interface FrontSettings {
  readonly host: string;
  /** 0 picks a free port, also below. */
  readonly httpPort: number;
  readonly respPort: number;
  /** Names accepted in the Host header of HTTP requests, in addition to the usual ones. */
  readonly httpAllowedHosts?: readonly string[];
  /** Replicas in this zone are asked first; empty or absent: no preference. */
  readonly zone?: string;
  /** 0: no cache. */
  readonly cacheMaxBytes: number;
  /** Limit for each of HTTP and RESP. */
  readonly maxConnections: number;
  /** Deadline of a key in milliseconds, all replicas and retries together. */
  readonly lookupDeadlineMs: number;
  /** Of SLOWLOG and LATENCY. Default: as without any setting. */
  readonly timing?: TimingSettings;
}

export interface FrontOptions {
  readonly settings: FrontSettings;
  /** Default: master. */
  readonly role?: FrontRole;
  readonly operations: ClusterOperations;
  /** The link to a datanode; undefined while it is offline. */
  readonly links: (nodeId: string) => DatanodeLink | undefined;
  /** Called when a read of this node failed or is overdue. Called often; must return at once. */
  readonly onTrouble?: (nodeId: string) => void;
  /** The lookup service is added to it; its owner opens and closes it. */
  readonly grpcServer?: Pick<GrpcServer, 'addService'>;
  /** Its failures are part of the metrics. */
  readonly background?: BackgroundTasks;
  /** Loads that ended, by result, for the metrics. */
  readonly loadEnds?: () => ReadonlyMap<string, number>;
  /** Makes the ports those of TLS; without it there is none. */
  readonly tls?: TlsIdentity | undefined;
  /** Decides who is let in; without it everybody is. */
  readonly access?: Access | undefined;
  /** Undefined: nothing is recorded. */
  readonly audit?: Audit | undefined;
  /** Further lines of /readyz?verbose; default: none. */
  readonly notes?: (() => readonly string[]) | undefined;
  readonly log: Logger;
}

export interface Front {
  readonly httpPort: number;
  readonly respPort: number;
  /** The read path, for callers in this process. */
  readonly core: LookupCore;
  /** The reads that it has answered since its start. */
  reads(): ReadCounters;
  /** Answers requests that have arrived, for up to `deadlineMs`, then closes everything. */
  close(deadlineMs: number): Promise<void>;
}

const NOT_LISTENING: ListenerCounts = {
  clients: 0,
  clientsMax: 0,
  connectionsTotal: 0,
  rejectedTotal: 0,
  commandsTotal: 0,
  inputBytesTotal: 0,
  outputBytesTotal: 0,
  commandsPerSecond: 0,
  inputBytesPerSecond: 0,
  outputBytesPerSecond: 0,
  trackingClients: 0,
  commands: new CommandTimes(TIMING_DEFAULTS),
};

interface OpenPorts {
  http?: FastifyInstance;
  resp?: RespListener;
  closing: boolean;
  traffic?: HttpTraffic;
}

/**
 * Starts the front; resolves when its ports are open. Throws PORT_IN_USE with the setting to
 * change.
 */
export async function startFront(options: FrontOptions): Promise<Front> {
  const { access, audit, settings, operations, log, role = 'master', tls } = options;
  const secured = { tls, access, audit };
  const startedMs = monotonicNowMs();
  const core = coreOf(options);
  const open: OpenPorts = { closing: false };
  const uptimeMs = (): number => monotonicNowMs() - startedMs;
  const cacheBytesMax = settings.cacheMaxBytes;
  const traffic = () => trafficOf(open);
  const sources = { role, core, cacheBytesMax, uptimeMs, traffic };
  const faults = (): ReadonlyMap<string, number> => options.background?.failures() ?? new Map();
  const { loadEnds } = options;
  const metrics = new FrontMetrics(core, operations, traffic, {
    role,
    faults,
    tls,
    audit,
    ...(loadEnds === undefined ? {} : { loadEnds }),
  });
  options.grpcServer?.addService(LookupServiceService, masterLookupService(core, metrics));
  const backend = new MasterRespBackend({
    core,
    scanner: scannerOf(core, options),
    operations,
    metrics,
    info: () => {
      const { counts: listener = NOT_LISTENING, port: respPort = 0 } = open.resp ?? {};
      return { core, listener, respPort, role, zone: settings.zone ?? '', uptimeMs: uptimeMs() };
    },
  });
  const close = (deadlineMs: number): Promise<void> => {
    open.closing = true;
    return closeAll(open.http, open.resp, core, deadlineMs);
  };
  try {
    open.http = await createHttpApp({
      core,
      operations,
      metrics,
      log,
      maxConnections: settings.maxConnections,
      host: settings.host,
      ...secured,
      notes: options.notes,
      allowedHosts: settings.httpAllowedHosts ?? [],
      closing: () => open.closing,
      stats: () => statsJson({ ...sources, metrics }),
    });
    open.traffic = new HttpTraffic(open.http.server);
    const { host, respPort: port, maxConnections, timing = TIMING_DEFAULTS } = settings;
    const http = { host, port: settings.httpPort, flag: '--http-port', tls };
    const httpPort = await listenHttp(open.http, http);
    const door = { host, port, ...secured, maxConnections, timing };
    open.resp = await startRespListener({ ...door, backend, log });
    const reads = (): ReadCounters => metrics.reads(core);
    return { httpPort, respPort: open.resp.port, core, reads, close };
  } catch (thrown) {
    await close(0);
    throw thrown;
  }
}

function coreOf({ links, onTrouble, operations, settings }: FrontOptions): LookupCore {
  return new LookupCore({
    views: operations,
    links,
    ...(onTrouble === undefined ? {} : { onTrouble }),
    cacheMaxBytes: settings.cacheMaxBytes,
    zone: settings.zone ?? '',
    deadlineMs: settings.lookupDeadlineMs,
  });
}

function scannerOf({ router }: LookupCore, { links, settings }: FrontOptions): KeyScanner {
  const { lookupDeadlineMs: deadlineMs } = settings;
  return new KeyScanner({ router, links, deadlineMs, nowMs: monotonicNowMs, random: Math.random });
}

function trafficOf({ resp, traffic }: OpenPorts): { http: Traffic; resp: Traffic } {
  return { http: traffic?.now ?? NO_TRAFFIC, resp: resp?.traffic ?? NO_TRAFFIC };
}

async function closeAll(
  http: FastifyInstance | undefined,
  resp: RespListener | undefined,
  core: LookupCore,
  deadlineMs: number,
): Promise<void> {
  const cut = setTimeout(() => http?.server.closeAllConnections(), deadlineMs);
  await Promise.allSettled([http?.close(), resp?.close(deadlineMs)]);
  clearTimeout(cut);
  core.close();
}
