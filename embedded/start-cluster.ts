// A whole cluster in one process: the same roles, joined by direct calls instead of gRPC.
//
// Ports are opened all the same, because clients are other processes; but heartbeats, orders, the front's
// reads and copies between datanodes are function calls.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveSettings } from '../base/config.ts';
import { sleep } from '../base/clock.ts';
import { SteleError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import type { Logger } from '../base/log.ts';
import { startDatanode } from '../datanode/server.ts';
import type { RunningDatanode } from '../datanode/server.ts';
import { datanodeSettings } from '../datanode/settings.ts';
import { runLoad } from '../loader/load.ts';
import type { LoadSummary } from '../loader/load.ts';
import { loadSettings } from '../loader/settings.ts';
import { startMaster } from '../master/server.ts';
import type { Master } from '../master/server.ts';
import { masterSettings } from '../master/settings.ts';
import { HealthStatus } from '../proto/gen/stele/v1/view.ts';
import type { DatanodeLink, LinkFactory, Registrar } from '../proto/ports.ts';
import { lateLink } from './late-link.ts';

export interface ClusterPorts {
  readonly http: number;
  readonly resp: number;
  readonly grpc: number;
}

export interface StartClusterOptions {
  /** Default: 3. */
  readonly datanodes?: number;
  /** Default: 2. */
  readonly replication?: number;
  /** Default: 128. */
  readonly shards?: number;
  /** Default: a temporary folder, removed by close(). */
  readonly dataDir?: string;
  /** Ports of the master; datanode i gets each plus 1 + i. Default: free ports. */
  readonly ports?: ClusterPorts;
  readonly host?: string;
  readonly log?: Logger;
}

export interface LocalNode {
  readonly id: string;
  readonly host: string;
  readonly ports: ClusterPorts;
}

export interface LocalCluster {
  readonly master: LocalNode;
  readonly datanodes: readonly LocalNode[];
  /** Loads files into a keyspace, like `stele load` with its defaults. */
  load(keyspace: string, paths: readonly string[]): Promise<LoadSummary>;
  close(): Promise<void>;
}

const START_DEADLINE_MS = 60_000;
const ANY_PORTS: ClusterPorts = { http: 0, resp: 0, grpc: 0 };

/** Starts a cluster in this process; resolves when it is ready for reads. Throws SteleError. */
export async function startCluster(options: StartClusterOptions = {}): Promise<LocalCluster> {
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
  #master: Master | undefined;

  constructor(options: StartClusterOptions, dataDir: string) {
    this.#options = options;
    this.#dataDir = dataDir;
    this.#log = options.log ?? silentLogger;
  }

  get master(): LocalNode {
    const host = this.#options.host ?? '127.0.0.1';
    return { id: 'master', host, ports: this.#master?.ports ?? ANY_PORTS };
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
    const master = await this.#startMaster();
    this.#master = master;
    const count = this.#options.datanodes ?? 3;
    // The datanodes share one machine: each gets an equal part of the default limit.
    const memoryMax = Math.floor(datanodeSettings.options.memoryMax.defaultValue / count);
    for (let index = 0; index < count; index++) {
      await this.#startNode(index, master.registrar, memoryMax);
    }
    await Promise.all([...this.#nodes.values()].map((node) => node.opened));
    await this.#awaitReady(master, count);
  }

  load(keyspace: string, paths: readonly string[]): Promise<LoadSummary> {
    const { host, ports } = this.master;
    const { values } = resolveSettings(loadSettings, {
      flags: { master: `${host}:${ports.grpc}` },
      environment: {},
      file: {},
    });
    return runLoad({ ...values, keyspace, paths: [...paths] }, { log: this.#log });
  }

  async close(): Promise<void> {
    await this.#master?.close();
    await Promise.all([...this.#nodes.values()].map((node) => node.close()));
    if (this.#options.dataDir === undefined) {
      await rm(this.#dataDir, { recursive: true, force: true });
    }
  }

  #startMaster(): Promise<Master> {
    const { ports = ANY_PORTS, replication, shards, host } = this.#options;
    const { values } = resolveSettings(masterSettings, {
      flags: {
        dataDir: join(this.#dataDir, 'master'),
        host,
        httpPort: ports.http,
        respPort: ports.resp,
        grpcPort: ports.grpc,
        replication,
        shards,
      },
      environment: {},
      file: {},
    });
    return startMaster(values, { log: this.#log, linkFactory: this });
  }

  async #startNode(index: number, registrar: Registrar, memoryMax: number): Promise<void> {
    const { ports, host } = this.#options;
    const offset = (port: number | undefined): number =>
      port === undefined || port === 0 ? 0 : port + 1 + index;
    const id = `node-${index}`;
    const { values } = resolveSettings(datanodeSettings, {
      flags: {
        id,
        dataDir: join(this.#dataDir, id),
        memoryMax,
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

  async #awaitReady(master: Master, count: number): Promise<void> {
    const deadlineAtMs = performance.now() + START_DEADLINE_MS;
    while (performance.now() < deadlineAtMs) {
      const { nodes, ready, status } = await master.operations.health({
        waitFor: HealthStatus.UNSPECIFIED,
        timeoutMs: 0,
      });
      if (ready && nodes.length >= count && status !== HealthStatus.RED) return;
      await sleep(20);
    }
    throw new SteleError('DEADLINE_EXCEEDED', 'The cluster did not become ready in time.');
  }
}
