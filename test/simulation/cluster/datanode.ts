// A datanode: the product's own (datanode/start-node.ts) over a simulated disk, links, clock and
// chance.
//
// What is not the product's here: the ports (world/links.ts), and the scrubber's look at a file,
// which the product takes in a worker thread that has the real disk.

import type { Env } from '../../../base/env.ts';
import type { ObjectStore } from '../../../archive/object-store.ts';
import { SteleError, toSteleError } from '../../../base/errors.ts';
import type { Files } from '../../../base/disk/files.ts';
import { directLink } from '../../../datanode/endpoints/direct-link.ts';
import { DISK_CACHE_BYTES_MIN } from '../../../base/limits.ts';
import { NodeIdentity } from '../../../datanode/identity.ts';
import type { ScrubFinding } from '../../../datanode/maintenance/segment-tasks.ts';
import { SegmentWork } from '../../../datanode/maintenance/segment-work.ts';
import type { Datanode } from '../../../datanode/node.ts';
import { openNode, runNode } from '../../../datanode/start-node.ts';
import type { RegisterNodeResponse } from '../../../proto/gen/stele/v1/cluster.ts';
import type { DatanodeLink, LookupBatch, Registrar } from '../../../proto/ports.ts';
import type { SegmentAnnouncement } from '../../../proto/segment-transfer.ts';
import type { Segment } from '../../../segment/reader.ts';
import { verifyRange } from '../../../segment/verify.ts';
import { fillTarget } from '../../../transport/fetch-target.ts';
import { sleep } from '../../../base/clock.ts';
import { plantInDatanode, plantInLink } from '../chaos/defects.ts';
import { SimProcess } from '../world/clock.ts';
import { DATA_FOLDER, SimDisk, SimFile } from '../world/disk.ts';
import { envOf } from '../world/env.ts';
import { SimObjectStore } from '../world/bucket.ts';
import { SimLinks } from '../world/links.ts';
import type { CallName, LinkServer, LookupAnswer } from '../world/links.ts';
import { askMaster } from './ask-master.ts';
import { backgroundOf, logOf } from './cluster.ts';
import type { Cluster } from './cluster.ts';

const SEGMENTS_FOLDER = `${DATA_FOLDER}/segments`;
const START_AGAIN_MS = 700;
const READINESS_INTERVAL_MS = 1_000;
const SCRUB = { bytesPerSecond: 1024 ** 3, intervalMs: 3_000 };
const MEMORY_BYTES = 1024 ** 3;

export class SimDatanode extends SimProcess implements LinkServer {
  readonly disk: SimDisk;
  readonly address;
  readonly zone: string;
  node: Datanode | undefined;
  served: DatanodeLink | undefined;
  readonly #cluster: Cluster;

  constructor(cluster: Cluster, number: number) {
    super(`n${number}`);
    const { host, zone } = cluster.placeOf(number);
    this.#cluster = cluster;
    this.zone = zone;
    this.address = { host, httpPort: 1, respPort: 2, grpcPort: 8_000 + number };
    this.disk = new SimDisk(cluster.clock, cluster.random);
    this.disk.watcher = {
      strikes: () => cluster.strikes(this),
      removed: (path) => {
        const name = segmentNameOf(path);
        if (name !== undefined) cluster.judge.copyGone(name, `removed by ${this.id}`);
      },
    };
  }

  /** Of each segment file in its place: `<uid> <id>`, and the file. */
  *segmentFiles(): Generator<readonly [name: string, file: SimFile]> {
    for (const [path, file] of this.disk.filesBelow(SEGMENTS_FOLDER)) {
      const name = segmentNameOf(path);
      if (name !== undefined) yield [name, file];
    }
  }

  segmentFile(name: string): SimFile | undefined {
    const file = this.disk.find(`${SEGMENTS_FOLDER}/${name.replace(' ', '/')}.seg`);
    return file instanceof SimFile ? file : undefined;
  }

  start(): void {
    this.beginLife();
    const { life } = this;
    this.#run().catch((thrown: unknown) => {
      if (this.life !== life) return;
      const { code, message } = toSteleError(thrown, 'IO');
      if (code !== 'IO' && code !== 'DISK_FULL') {
        this.#cluster.judge.fail(`${this.id} does not start: ${message}`);
      }
      this.crash();
      this.#cluster.clock.after(START_AGAIN_MS, undefined, () => {
        if (!this.alive) this.start();
      });
    });
  }

  crash(): void {
    this.endLife(this.#cluster.random.chance(0.5));
    this.node = undefined;
    this.served = undefined;
    this.disk.crash();
    this.#cluster.judge.died(this);
    this.#cluster.network.endCalls(this);
    if (!this.refuses) return;
    for (const listener of this.lostListeners) this.#cluster.clock.after(2, undefined, listener);
  }

  async #openBucket(): Promise<ObjectStore> {
    const { bucket } = this.#cluster;
    if (bucket === undefined) throw new SteleError('UNSUPPORTED', 'There is no bucket.');
    return new SimObjectStore(bucket, this);
  }

  async #run(): Promise<void> {
    const { clock, datanodes, network, random } = this.#cluster;
    const log = logOf(this, clock);
    const files = this.disk.filesOf(this);
    const env = envOf(this, clock, random, files);
    const background = backgroundOf(this.#cluster, this, log, env);
    const links = new SimLinks(this, network, (grpcPort) =>
      [...datanodes.values()].find((node) => node.address.grpcPort === grpcPort),
    );
    const identity = await NodeIdentity.open(DATA_FOLDER, this.id, log, env);
    const node = await openNode({
      ...{ identity, links, background, log, env, zone: this.zone },
      ...{
        folder: DATA_FOLDER,
        diskReserveBytes: 0,
        memoryMaxBytes: MEMORY_BYTES,
        readAtOnceBytesMax: 0,
      },
      diskCacheBytes: DISK_CACHE_BYTES_MIN,
      ...{
        copyConcurrency: 2,
        openObjectStore: () => this.#openBucket(),
        hasIntakeBrake: false,
        work: new SimWork(this.#cluster, files, env),
      },
    });
    node.announce(this.address);
    plantInDatanode(this.#cluster, this, node);
    this.node = node;
    this.served = plantInLink(this.#cluster, directLink(node, env.nowMs));
    background.repeat('readiness', READINESS_INTERVAL_MS, new AbortController().signal, async () =>
      node.checkContact(env.nowMs()),
    );
    await runNode(node, {
      ...{ background, log, env, scrub: SCRUB, place: { zone: this.zone, weight: 1 } },
      registrar: registrarOf(this, this.#cluster),
      stop: new AbortController().signal,
    });
  }

  async onCall(name: CallName, request: unknown, answer: Promise<unknown>): Promise<unknown> {
    return this.#cluster.judge.called(this, name, request, answer);
  }

  onLookup(batch: LookupBatch, answers: readonly LookupAnswer[]): void {
    for (const [index, { key, target }] of batch.keys.entries()) {
      const answer = answers[index];
      if (answer !== undefined) this.#cluster.judge.answered(this, target, key, answer);
    }
  }

  /** A loader's segment, as segment-connection.ts takes it in, without its bytes on the way. */
  async receive(announced: SegmentAnnouncement, bytes: Uint8Array): Promise<boolean> {
    const { node } = this;
    const arrival = await node?.receiving.admit(announced);
    if (arrival === undefined) return true;
    await fillTarget(arrival, bytes);
    await arrival.finish();
    return true;
  }
}

/** `<uid> <id>`; undefined for what is no segment's file in its place. */
function segmentNameOf(path: string): string | undefined {
  const [uid = '', file = '', ...more] = path.slice(SEGMENTS_FOLDER.length + 1).split('/');
  const isOne = path.startsWith(SEGMENTS_FOLDER) && file.endsWith('.seg') && more.length === 0;
  return isOne ? `${uid} ${file.slice(0, -'.seg'.length)}` : undefined;
}

function registrarOf(from: SimDatanode, cluster: Cluster): Registrar {
  return {
    registerNode: (request, { deadlineMs }) =>
      askMaster<RegisterNodeResponse>(cluster, from, 'node', deadlineMs, ({ registrar }) =>
        registrar.registerNode(request, { deadlineMs }),
      ),
  };
}

/** Work on segments takes a while, as in a thread, and the scrubber looks at the simulated disk. */
class SimWork extends SegmentWork {
  protected override readonly files: Files;
  readonly #cluster: Cluster;
  readonly #env: Env;

  constructor(cluster: Cluster, files: Files, env: Env) {
    super();
    this.#cluster = cluster;
    this.files = files;
    this.#env = env;
  }

  override async merge(
    ...args: Parameters<SegmentWork['merge']>
  ): ReturnType<SegmentWork['merge']> {
    await sleep(this.#cluster.random.int(1, 300), undefined, this.#env);
    return super.merge(...args);
  }

  override async mergeToFile(
    ...args: Parameters<SegmentWork['mergeToFile']>
  ): ReturnType<SegmentWork['mergeToFile']> {
    await sleep(this.#cluster.random.int(1, 300), undefined, this.#env);
    return super.mergeToFile(...args);
  }

  override async measure(
    ...args: Parameters<SegmentWork['measure']>
  ): ReturnType<SegmentWork['measure']> {
    const { clock, random, slowUntilMs } = this.#cluster;
    const tookMs = clock.nowMs < slowUntilMs ? random.int(9_900, 12_000) : 0;
    if (tookMs > 0) await sleep(tookMs, undefined, this.#env);
    return super.measure(...args);
  }

  override async scrub(
    segment: Segment,
    path: string,
    from: number,
    to: number,
  ): Promise<ScrubFinding> {
    try {
      verifyRange(segment, from, to);
    } catch (thrown) {
      return { memory: toSteleError(thrown).message, disk: undefined };
    }
    const file = await this.files.readFile(path).catch(() => undefined);
    const isGood = file?.equals(segment.bytes) === true;
    return { memory: undefined, disk: isGood ? undefined : 'the file differs' };
  }
}
