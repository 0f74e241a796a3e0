// One of several masters: the product's candidate (master/candidate/candidate.ts), with its
// election, its store on etcd and the control plane of its terms, over the simulated etcd, links,
// clock and chance.
//
// Killed, it loses everything. It reaches the other masters by peers.ts.

import { ControlPlane } from '../../../master/control-plane.ts';
import type { ControlPlaneOptions } from '../../../master/control-plane.ts';
import { Candidate } from '../../../master/candidate/candidate.ts';
import { systemEnv } from '../../../base/env.ts';
import { plantInEtcd } from '../chaos/etcd-defects.ts';
import { plantInMaster, plantInPlane } from '../chaos/defects.ts';
import { SimProcess } from '../world/clock.ts';
import { SimDisk } from '../world/disk.ts';
import { envOf } from '../world/env.ts';
import type { SimEtcd } from '../world/etcd.ts';
import { SimLinks } from '../world/links.ts';
import { logOf, watchFaults } from './cluster.ts';
import type { Cluster, MasterProcess } from './cluster.ts';
import { peersOf } from './peers.ts';
import { deepStoreOf, settingsOf, watchPlane } from './plane-watch.ts';

const TTL_SECONDS = 2;
/** A master that ends by itself is killed if it takes longer. */
const CLOSE_MS = 3_000;

export class SimCandidate extends SimProcess implements MasterProcess {
  /** Of the present run. */
  seat: Candidate | undefined;
  readonly address: string;
  readonly #cluster: Cluster;
  readonly #etcd: SimEtcd;
  readonly #replication: number;
  readonly #disk: SimDisk;
  #disconnect: () => void = () => undefined;

  constructor(cluster: Cluster, etcd: SimEtcd, number: number, replication: number) {
    super(`m${number}`);
    this.address = `${this.id}:1`;
    this.#cluster = cluster;
    this.#etcd = etcd;
    this.#replication = replication;
    this.#disk = new SimDisk(cluster.clock, cluster.random);
  }

  get plane(): ControlPlane | undefined {
    return this.seat?.plane;
  }

  start(): void {
    this.beginLife();
    const { clock, datanodes, judge, network, random } = this.#cluster;
    const log = logOf(this, clock);
    const env = envOf(this, clock, random, this.#disk.filesOf(this));
    const links = new SimLinks(
      this,
      network,
      (grpcPort) => [...datanodes.values()].find((node) => node.address.grpcPort === grpcPort),
      (name, request) => judge.leaders.sent(this, name, request),
    );
    const api = plantInEtcd(this.#cluster, this.#etcd.connect(this), this.#etcd.layout);
    this.#disconnect = () => api.close();
    this.seat = new Candidate({
      ...{ api, layout: this.#etcd.layout, ttlSeconds: TTL_SECONDS, links, log, env },
      settings: settingsOf(this.#replication, 0),
      peers: peersOf(this.#cluster, this),
      openPlane: (options) => this.#openPlane(options),
    });
    this.seat.start(this.address);
  }

  crash(): void {
    const { network, random } = this.#cluster;
    this.endLife(random.chance(0.5));
    this.seat = undefined;
    this.#disconnect();
    network.endCalls(this);
  }

  /** Ends by itself, as on a signal, and hands over. */
  end(): void {
    const { life, seat } = this;
    const over = (): void => {
      if (this.life === life && this.alive) this.crash();
    };
    void seat?.close().then(over);
    this.#cluster.clock.after(CLOSE_MS, undefined, over);
  }

  async #openPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
    const { judge, virtualNodes } = this.#cluster;
    const { background, env = systemEnv, mayOrder = () => true, metadata } = options;
    judge.leaders.begins(this, mayOrder);
    watchFaults(this.#cluster, this, background);
    const planted = plantInMaster(this.#cluster, {
      ...{ ...options, env, settings: settingsOf(this.#replication, virtualNodes) },
      deepStore: deepStoreOf(this.#cluster, this),
      metadata: { ...judge.leaders.judged(this, metadata), restored: metadata.restored },
    });
    const plane = await ControlPlane.open(planted);
    this.#cluster.virtualNodes = 0;
    plantInPlane(this.#cluster, plane);
    watchPlane(this.#cluster, this, plane, background);
    return plane;
  }
}
