// A whole cluster in one process: the same roles, joined by direct calls instead of gRPC.
//
// Ports are opened all the same, because clients are other processes; but heartbeats, orders, the
// front's reads and copies between datanodes are function calls.

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AccessSettings } from '../access/access-settings.ts';
import { ClusterSecret } from '../access/cluster-secret.ts';
import { makeSecretFile, secretFileIn } from '../access/new-secret.ts';
import { hostAndPort, reachedHere } from '../base/address.ts';
import { resolveSettings } from '../base/config.ts';
import { makeFolder } from '../base/disk/make-folder.ts';
import { sleep, systemTime } from '../base/clock.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import type { Logger } from '../base/log.ts';
import { openTracing } from '../base/process/tracing.ts';
import { RUNTIME_BYTES } from '../base/process/usable-memory.ts';
import { startDatanode } from '../datanode/server.ts';
import type { RunningDatanode } from '../datanode/server.ts';
import { datanodeSettings } from '../datanode/settings.ts';
import { runLoad } from '../loader/load.ts';
import type { LoadSummary } from '../loader/load.ts';
import { loadSettings } from '../loader/settings.ts';
import { MemoryEtcd } from '../master/metadata/etcd/memory-etcd.ts';
import { startMaster } from '../master/server.ts';
import type { Master } from '../master/server.ts';
import { masterSettings } from '../master/settings.ts';
import type { GetHealthResponse } from '../proto/gen/stele/v1/cluster.ts';
import { HealthStatus } from '../proto/gen/stele/v1/view.ts';
import type { DatanodeLink, LinkFactory, Registrar } from '../proto/ports.ts';
import { lateLink } from './late-link.ts';
import type { TlsSource } from '../transport/tls/tls-files.ts';
import { settingsOfSource } from '../transport/tls/tls-settings.ts';

export interface ClusterPorts {
  readonly http: number;
  readonly resp: number;
  readonly grpc: number;
}

/**
 * Users, rights and what goes with them: `auth: 'on'` as --auth on, and the other flags of roles
 * likewise.
 */
type AccessOptions = { readonly [Name in keyof AccessSettings]?: AccessSettings[Name] | undefined };

export interface StartClusterOptions extends AccessOptions {
  /** Default: 3. */
  readonly datanodes?: number;
  /** Default: 2. */
  readonly replication?: number;
  /** Default: 128. */
  readonly shards?: number;
  /**
   * Default: 1. Several share an etcd in memory, and one of them leads. Their catalog ends with the
   * cluster, so they take no `dataDir`.
   */
  readonly masters?: number;
  /** Default: a temporary folder, removed by close(). */
  readonly dataDir?: string;
  /**
   * Ports of the master; datanode i gets each plus 1 + i, and master j each plus 100 x j. Default:
   * free ports.
   */
  readonly ports?: ClusterPorts;
  readonly host?: string;
  /** Makes all ports those of TLS; without it there is none. Needs `cert` and `key`. */
  readonly tls?: TlsSource | undefined;
  /**
   * The file with the password of the user `admin`, with `auth: 'on'`; made with a random one if it
   * is not there. Default: `admin-password` in the data folder of the master.
   */
  readonly adminPasswordFile?: string | undefined;
  readonly log?: Logger;
}

export interface LocalNode {
  readonly id: string;
  readonly host: string;
  readonly ports: ClusterPorts;
}

export interface LocalCluster {
  /** The first master. */
  readonly master: LocalNode;
  readonly masters: readonly LocalNode[];
  readonly datanodes: readonly LocalNode[];
  /** Loads files into a keyspace, like `stele load` with its defaults. */
  load(keyspace: string, paths: readonly string[]): Promise<LoadSummary>;
  /** Opens the file of the audit log again, after it was renamed. */
  reopenLogs(): void;
  close(): Promise<void>;
}

const START_DEADLINE_MS = 60_000;
const ANY_PORTS: ClusterPorts = { http: 0, resp: 0, grpc: 0 };

/** Starts a cluster in this process; resolves when it is ready for reads. Throws SteleError. */
export async function startCluster(options: StartClusterOptions = {}): Promise<LocalCluster> {
  if ((options.masters ?? 1) > 1 && options.dataDir !== undefined) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      'Several masters in one process keep their catalog in memory, so data files would be left without it; leave dataDir or masters out.',
    );
  }
  await openTracing((sentence) => options.log?.warn(sentence));
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'stele-')));
  const running = new InProcessCluster(options, dataDir);
  try {
    await running.start();
  } catch (thrown) {
    await running.close();
    throw thrown;
  }
  return running;
}

class InProcessCluster implements LocalCluster, LinkFactory {
  readonly #options: StartClusterOptions;
  readonly #dataDir: string;
  readonly #log: Logger;
  readonly #nodes = new Map<string, RunningDatanode>();
  readonly #masters: Master[] = [];
  #authorization: (() => string) | undefined;

  constructor(options: StartClusterOptions, dataDir: string) {
    this.#options = options;
    this.#dataDir = dataDir;
    this.#log = options.log ?? silentLogger;
  }

  get master(): LocalNode {
    return this.masters[0] ?? this.#localMaster(ANY_PORTS, 0);
  }

  get masters(): readonly LocalNode[] {
    return this.#masters.map(({ ports }, at) => this.#localMaster(ports, at));
  }

  get datanodes(): readonly LocalNode[] {
    return [...this.#nodes.values()].map(({ nodeId, address }) => ({
      id: nodeId,
      host: address.host,
      ports: { http: address.httpPort, resp: address.respPort, grpc: address.grpcPort },
    }));
  }

  /** A link to a datanode of this process, whether it has started or not. */
  connect(target: { readonly nodeId: string }): DatanodeLink {
    return lateLink(target.nodeId, () => this.#nodes.get(target.nodeId)?.link);
  }

  async start(): Promise<void> {
    const { datanodes = 3, masters = 1 } = this.#options;
    const access = this.#access();
    const etcd = masters > 1 ? new MemoryEtcd(systemTime) : undefined;
    const master = await this.#startMaster(0, etcd, access);
    for (let at = 1; at < masters; at++) await this.#startMaster(at, etcd, access);
    await this.#awaitHealth(master, () => true);
    // The datanodes share one process: each gets an equal part of its memory.
    const { defaultValue } = datanodeSettings.options.memoryMax;
    const memoryMax = Math.floor((defaultValue - RUNTIME_BYTES) / datanodes);
    for (let index = 0; index < datanodes; index++) {
      await this.#startNode(index, master.registrar, { ...access, memoryMax });
    }
    await Promise.all([...this.#nodes.values()].map((node) => node.opened));
    await this.#awaitHealth(
      master,
      ({ nodes, ready, status }) =>
        ready && nodes.length >= datanodes && status !== HealthStatus.RED,
    );
  }

  load(keyspace: string, paths: readonly string[]): Promise<LoadSummary> {
    const { host, ports } = this.master;
    const { values } = resolveSettings(loadSettings, {
      flags: {
        master: hostAndPort(reachedHere(host), ports.grpc),
        ...settingsOfSource(this.#options.tls),
      },
      environment: {},
      file: {},
    });
    const hooks = { log: this.#log, authorization: this.#authorization };
    return runLoad({ ...values, keyspace, paths: [...paths] }, hooks);
  }

  reopenLogs(): void {
    for (const { reopenLogs } of [...this.#masters, ...this.#nodes.values()]) reopenLogs?.();
  }

  async close(): Promise<void> {
    for (const master of this.#masters.splice(0).reverse()) await master.close();
    await Promise.all([...this.#nodes.values()].map((node) => node.close()));
    if (this.#options.dataDir === undefined) {
      await rm(this.#dataDir, { recursive: true, force: true });
    }
  }

  /**
   * The settings of access of all roles; the secret that processes show each other is made if none
   * is given.
   */
  #access(): AccessOptions {
    const { auditLog, auth, insecure, metricsOpen, metricsTokenFile } = this.#options;
    const { jwtAudience, jwtClaim, jwtIssuer, jwtJwks } = this.#options;
    const jwt = { jwtAudience, jwtClaim, jwtIssuer, jwtJwks };
    const given = { auditLog, auth, insecure, metricsOpen, metricsTokenFile, ...jwt };
    if (auth !== 'on') return given;
    const { clusterSecretFile = '', tls } = this.#options;
    // Nodes with certificates need none; with others it is needed.
    const file = clusterSecretFile || secretFileIn(this.#dataDir);
    if (clusterSecretFile === '' && tls === undefined) {
      makeFolder(this.#dataDir);
      makeSecretFile(file);
    }
    if (!existsSync(file)) return given;
    const secret = ClusterSecret.read(file, this.#log);
    this.#authorization = () => secret.authorization;
    return { ...given, clusterSecretFile: file };
  }

  #localMaster(ports: ClusterPorts, at: number): LocalNode {
    const id = at === 0 ? 'master' : `master-${at}`;
    return { id, host: this.#options.host ?? '127.0.0.1', ports };
  }

  async #startMaster(
    at: number,
    etcd: MemoryEtcd | undefined,
    access: AccessOptions,
  ): Promise<Master> {
    const { adminPasswordFile, ports = ANY_PORTS, replication, shards, host } = this.#options;
    const portOf = (port: number): number => (port === 0 ? 0 : port + 100 * at);
    const { values } = resolveSettings(masterSettings, {
      flags: {
        dataDir: join(this.#dataDir, 'master'),
        ...(etcd === undefined ? {} : { metadata: 'etcd' }),
        ...settingsOfSource(this.#options.tls),
        ...access,
        adminPasswordFile,
        host,
        httpPort: portOf(ports.http),
        respPort: portOf(ports.resp),
        grpcPort: portOf(ports.grpc),
        replication,
        shards,
      },
      environment: {},
      file: {},
    });
    const shared = etcd === undefined ? {} : { etcd: etcd.connect() };
    const master = await startMaster(values, { log: this.#log, linkFactory: this, ...shared });
    this.#masters.push(master);
    return master;
  }

  async #startNode(
    index: number,
    registrar: Registrar,
    common: AccessOptions & { readonly memoryMax: number },
  ): Promise<void> {
    const { ports, host } = this.#options;
    const offset = (port: number | undefined): number =>
      port === undefined || port === 0 ? 0 : port + 1 + index;
    const id = `node-${index}`;
    const { values } = resolveSettings(datanodeSettings, {
      flags: {
        id,
        dataDir: join(this.#dataDir, id),
        ...settingsOfSource(this.#options.tls),
        ...common,
        master: this.masters
          .map((one) => hostAndPort(reachedHere(one.host), one.ports.grpc))
          .join(','),
        host,
        httpPort: offset(ports?.http),
        respPort: offset(ports?.resp),
        grpcPort: offset(ports?.grpc),
      },
      environment: {},
      file: {},
    });
    this.#nodes.set(
      id,
      await startDatanode(values, { log: this.#log, linkFactory: this, registrar }),
    );
  }

  /** Until a master leads, nobody can tell the health. */
  async #awaitHealth(
    { operations }: Master,
    isMet: (health: GetHealthResponse) => boolean,
  ): Promise<void> {
    const deadlineAtMs = performance.now() + START_DEADLINE_MS;
    const question = { waitFor: HealthStatus.UNSPECIFIED, timeoutMs: 0 };
    while (performance.now() < deadlineAtMs) {
      try {
        if (isMet(await operations.health(question))) return;
      } catch (thrown) {
        if (toSteleError(thrown).code !== 'UNAVAILABLE') throw thrown;
      }
      await sleep(20);
    }
    throw new SteleError('DEADLINE_EXCEEDED', 'The cluster did not become ready in time.');
  }
}
