// A master: the product's control plane (master/control-plane.ts) over the simulated store, links,
// clock and chance.
//
// Killed, it loses everything but the store. Its supervisor starts it again when it ends by itself.

import type { SteleError } from '../../../base/errors.ts';
import { ControlPlane } from '../../../master/control-plane.ts';
import { plantInMaster, plantInPlane } from '../chaos/defects.ts';
import { SimProcess } from '../world/clock.ts';
import { envOf } from '../world/env.ts';
import { SimDisk } from '../world/disk.ts';
import { SimLinks } from '../world/links.ts';
import type { SimMetadata, Stored } from '../world/metadata.ts';
import { backgroundOf, logOf } from './cluster.ts';
import type { Cluster, MasterProcess } from './cluster.ts';
import { deepStoreOf, settingsOf, watchPlane } from './plane-watch.ts';

const START_AGAIN_MS = 700;

export class SimMaster extends SimProcess implements MasterProcess {
  /** Undefined while it starts. */
  plane: ControlPlane | undefined;
  readonly #cluster: Cluster;
  readonly #store: SimMetadata;
  readonly #replication: number;
  readonly #disk: SimDisk;

  constructor(cluster: Cluster, store: SimMetadata, replication: number) {
    super('master');
    this.#cluster = cluster;
    this.#store = store;
    this.#replication = replication;
    this.#disk = new SimDisk(cluster.clock, cluster.random);
  }

  get seat(): ControlPlane | undefined {
    return this.plane;
  }

  start(): void {
    this.beginLife();
    this.plane = undefined;
    const { life } = this;
    this.#open().catch((thrown: unknown) => {
      this.#cluster.note(`master does not start: ${String(thrown)}`);
      if (this.life === life) this.#endByItself();
    });
  }

  crash(): void {
    const { network, random } = this.#cluster;
    this.endLife(random.chance(0.5));
    this.plane = undefined;
    network.endCalls(this);
    this.#store.crash();
  }

  /** The store of the master, which has crashed, goes back to a backup. */
  restore(backup: Stored): void {
    this.#store.restore(backup);
    this.#cluster.judge.restored(backup.catalog);
    this.start();
  }

  #endByItself(): void {
    this.crash();
    this.#cluster.clock.after(START_AGAIN_MS, undefined, () => {
      if (!this.alive) this.start();
    });
  }

  async #open(): Promise<void> {
    const { clock, datanodes, network, random, virtualNodes } = this.#cluster;
    const log = logOf(this, clock);
    const env = envOf(this, clock, random, this.#disk.filesOf(this));
    const background = backgroundOf(this.#cluster, this, log, env);
    const links = new SimLinks(this, network, (grpcPort) =>
      [...datanodes.values()].find((node) => node.address.grpcPort === grpcPort),
    );
    const settings = settingsOf(this.#replication, virtualNodes);
    const metadata = this.#store.open(this);
    const options = plantInMaster(this.#cluster, {
      ...{ metadata, settings, links, background, log, env },
      deepStore: deepStoreOf(this.#cluster, this),
    });
    const plane = await ControlPlane.open(options);
    this.#cluster.virtualNodes = 0;
    plantInPlane(this.#cluster, plane);
    const { life } = this;
    void plane.replaced.then((why: SteleError) => {
      if (this.life === life) this.#cluster.judge.fail(`the only master ends: ${why.message}`);
    });
    watchPlane(this.#cluster, this, plane, background);
    plane.start();
    this.plane = plane;
  }
}
