// `stele up --in-process`: the same cluster in this process, joined by direct calls.

import type { Logger } from '../../base/log.ts';
import type { NodeAddress } from '../../proto/gen/stele/v1/view.ts';
import { startCluster } from '../../embedded/start-cluster.ts';
import type { LocalCluster, LocalNode } from '../../embedded/start-cluster.ts';
import type { StartedParts } from './cluster-processes.ts';
import type { ClusterPlan } from './plan.ts';
import type { UpSecurity } from './security.ts';
import type { ProcessEvents } from './supervised-process.ts';

export class InProcessCluster {
  readonly #plan: ClusterPlan;
  readonly #security: UpSecurity;
  readonly #events: ProcessEvents;
  readonly #log: Logger;
  #starting: Promise<LocalCluster> | undefined;
  #stopped: Promise<void> | undefined;

  constructor(plan: ClusterPlan, security: UpSecurity, events: ProcessEvents, log: Logger) {
    this.#plan = plan;
    this.#security = security;
    this.#events = events;
    this.#log = log;
  }

  /** Starts everything; resolves when all of it can be read. */
  async start(): Promise<StartedParts> {
    const { httpPort, respPort, grpcPort, ...plan } = this.#plan;
    const ports = { http: httpPort, resp: respPort, grpc: grpcPort };
    const { access, adminPasswordFile, tls } = this.#security;
    const log = this.#log;
    this.#starting = startCluster({ ...plan, ...access, adminPasswordFile, ports, tls, log });
    const cluster = await this.#starting;
    const master = addressOf(cluster.master);
    this.#events.listening('master', process.pid, master);
    for (const node of cluster.datanodes) {
      this.#events.listening(`datanode ${node.id}`, process.pid, addressOf(node));
    }
    return { masters: [master], datanodes: cluster.datanodes.length };
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    // A failed start has already closed what it had opened.
    const [result] = await Promise.allSettled([this.#starting]);
    if (result.status === 'fulfilled') await result.value?.close();
  }

  reopenLogs(): void {
    void this.#starting?.then((cluster) => cluster.reopenLogs());
  }

  /** Nothing to do: everything ends with this process. */
  kill(): void {}
}

function addressOf(node: LocalNode): NodeAddress {
  const { http, resp, grpc } = node.ports;
  return { host: node.host, httpPort: http, respPort: resp, grpcPort: grpc };
}
