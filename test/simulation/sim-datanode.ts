// A datanode on a simulated disk and network. Holdings, version tables and cluster state are the real
// ones; what they stand on (files, messages, threads) is simulated.
//
// It keeps the rules of datanode/: a newer epoch is remembered before anything is done in its name; an
// order for another run or of an older epoch is refused; a segment is held only when it was verified
// and is durable. Each rule can be broken by a planted defect, to see whether that is noticed.

import { ClusterState } from '../../datanode/view/cluster-state.ts';
import { Holdings } from '../../datanode/storage/holdings.ts';
import { VersionTables } from '../../datanode/storage/version-tables.ts';
import type {
  ApplyViewResponse,
  CopyOrder,
  DeltaMeasure,
  DeltaRef,
  HeartbeatResponse,
  ListHoldingsResponse,
  MergeOrder,
  MergeStatus,
  OrderHeader,
} from '../../proto/gen/stele/v1/datanode.ts';
import type { Manifest, SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import { SimProcess } from './sim-clock.ts';
import { SimDeltas } from './sim-deltas.ts';
import { SimDisk } from './sim-disk.ts';
import type { Answer } from './sim-network.ts';
import { contentOf, isIntact, segmentOf, valueIn } from './sim-segment.ts';
import type { SimSegment } from './sim-segment.ts';
import type { DatanodePort, ReadAnswer, SimWorld } from './sim-world.ts';

const CALL_DEADLINE_MS = 2_000;
const REGISTER_INTERVAL_MS = 700;
const SILENCE_MS = 3_000;

export class SimDatanode extends SimProcess implements DatanodePort {
  readonly disk = new SimDisk();
  readonly address = { host: '', httpPort: 1, respPort: 2, grpcPort: 3 };
  holdings = new Holdings();
  tables = new VersionTables(this.holdings);
  cluster = new ClusterState();
  state: NodeState = NodeState.INITIALIZING;
  /** On disk: the highest epoch that was obeyed. */
  epoch = 0;
  readonly zone: string;
  readonly #sim: SimWorld;
  #failures: { keyspaceUid: string; segmentId: string; reason: string }[] = [];
  #copying = new Set<string>();
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #deltas: SimDeltas;

  constructor(sim: SimWorld, id: string, place: { readonly host: string; readonly zone: string }) {
    super(id);
    this.#sim = sim;
    this.zone = place.zone;
    this.address.host = place.host;
    this.#deltas = this.#newDeltas();
  }

  #newDeltas(): SimDeltas {
    return new SimDeltas(this.#sim, this, this.holdings, (uid, id, done) => {
      const name = `${uid} ${id}`;
      this.#store(name, contentOf(name), done);
    });
  }

  get incarnation(): string {
    return `${this.id}-${this.life}`;
  }

  start(): void {
    this.life++;
    this.alive = true;
    this.paused = false;
    this.backlog.length = 0;
    this.holdings = new Holdings();
    this.tables = new VersionTables(this.holdings);
    this.cluster = new ClusterState();
    this.#deltas = this.#newDeltas();
    this.state = NodeState.INITIALIZING;
    this.#failures = [];
    this.#copying = new Set();
    this.#heardAtMs = Number.NEGATIVE_INFINITY;
    this.#register();
    this.#scan([...this.disk.files.keys()]);
  }

  crash(): void {
    this.alive = false;
    this.paused = false;
    this.backlog.length = 0;
    this.disk.crash(this.#sim.random);
  }

  /** Until the master is heard, and again whenever it has not been heard for a while. */
  #register(): void {
    const { clock, master } = this.#sim;
    const again = (): void => clock.after(REGISTER_INTERVAL_MS, this, () => this.#register());
    if (clock.nowMs - this.#heardAtMs < SILENCE_MS) return again();
    this.#sim.network.call<boolean>(
      this,
      master,
      CALL_DEADLINE_MS,
      (answer) => master.onRegister(this, answer),
      again,
    );
  }

  /** Verifies file by file; only then does the node serve. */
  #scan(names: string[]): void {
    const name = names.shift();
    if (name === undefined) {
      this.state = NodeState.SERVING;
      return;
    }
    this.#sim.clock.after(this.#sim.random.int(1, 40), this, () => {
      const file = this.disk.files.get(name);
      const isGood =
        file !== undefined && (isIntact(name, file.content) || this.#sim.has('serve-unverified'));
      if (isGood) this.#hold(name, file.content);
      else this.disk.files.delete(name);
      this.#scan(names);
    });
  }

  #hold(name: string, content: string): void {
    const [uid = '', id = ''] = name.split(' ');
    this.holdings.add(uid, id, segmentOf(uid, id, content));
  }

  /** Verify, write, sync, hold: each a step of its own, with a crash possible between any two. */
  #store(name: string, content: string, done: (error: string) => void): void {
    if (!isIntact(name, content)) return done('CORRUPT');
    const { clock, random } = this.#sim;
    clock.after(random.int(1, 10), this, () => {
      if (!this.disk.files.has(name)) this.disk.write(name, content);
      if (this.#sim.strikes(this)) return;
      const finish = (): void => {
        this.#hold(name, content);
        done('');
      };
      if (this.#sim.has('skip-fsync')) return finish();
      clock.after(random.int(1, 20), this, () => {
        // Dropped while it was being written: it is written again.
        if (!this.disk.files.has(name)) this.disk.write(name, content);
        this.disk.sync(name);
        finish();
      });
    });
  }

  /** Empty: the order is for this run, of the newest epoch. */
  #refusal(header: OrderHeader): string {
    if (header.nodeId !== this.id) return 'WRONG_NODE';
    if (header.incarnation !== '' && header.incarnation !== this.incarnation) return 'WRONG_NODE';
    if (header.epoch < this.epoch && !this.#sim.has('ignore-epoch')) return 'STALE_EPOCH';
    this.#sim.judge.orderObeyed(this, header);
    this.epoch = Math.max(this.epoch, header.epoch);
    return '';
  }

  #answer<Value>(
    header: OrderHeader,
    answer: (value: Answer<Value>) => void,
    value: () => Value,
  ): void {
    const error = this.#refusal(header);
    answer(error === '' ? { ok: true, value: value() } : { ok: false, error });
  }

  onHeartbeat(header: OrderHeader, answer: (value: Answer<HeartbeatResponse>) => void): void {
    this.#answer(header, answer, () => {
      this.#heardAtMs = this.#sim.clock.nowMs;
      const copyFailures = this.#failures;
      this.#failures = [];
      const keyspaceUids = this.holdings.parkedKeyspaces();
      return {
        ...{ nodeId: this.id, incarnation: this.incarnation, state: this.state, zone: this.zone },
        ...{ verifyBytesDone: 0, verifyBytesTotal: 0, stats: undefined, address: this.address },
        ...{ holdingsRevision: this.holdings.revision, viewEpoch: 0, viewRevision: 0 },
        copyFailures,
        ...(keyspaceUids.length === 0 ? {} : { parked: { keyspaceUids, failures: [] } }),
      };
    });
  }

  onListHoldings(
    header: OrderHeader,
    since: number,
    answer: (value: Answer<ListHoldingsResponse>) => void,
  ): void {
    this.#answer(header, answer, () => this.holdings.list(since));
  }

  onApplyView(
    header: OrderHeader,
    view: ClusterView,
    answer: (value: Answer<ApplyViewResponse>) => void,
  ): void {
    this.#answer(header, answer, () => {
      this.cluster.apply(view);
      const newest = this.cluster.view ?? view;
      for (const { resuming, suspended, uid } of newest.keyspaces) {
        if (suspended === true && resuming !== true) this.holdings.park(uid);
        else this.#unpark(uid);
      }
      const missingManifests = view.keyspaces.flatMap(({ fingerprints, uid, versions }) =>
        versions
          .filter((version, at) => !this.tables.has(uid, version, fingerprints[at] ?? ''))
          .map((version) => ({ keyspaceUid: uid, version })),
      );
      return { missingManifests };
    });
  }

  #unpark(uid: string): void {
    this.holdings.unpark(uid);
    for (const { segmentId } of this.holdings.parkedOf(uid)) {
      this.#sim.clock.after(this.#sim.random.int(1, 200), this, () => {
        const name = `${uid} ${segmentId}`;
        const file = this.disk.files.get(name);
        if (!this.holdings.has(uid, segmentId)) return;
        if (file !== undefined && isIntact(name, file.content)) {
          this.holdings.restore(uid, segmentId, segmentOf(uid, segmentId, file.content));
        } else {
          this.holdings.remove(uid, segmentId);
          this.disk.files.delete(name);
        }
      });
    }
  }

  onPutManifest(
    header: OrderHeader,
    manifest: Manifest,
    answer: (value: Answer<SegmentInfo[]>) => void,
  ): void {
    this.#answer(header, answer, () => {
      this.#sim.judge.manifestGiven(manifest);
      this.tables.put(manifest);
      const held = this.tables.heldOf(manifest);
      for (const { id } of held) this.holdings.claim(manifest.keyspaceUid, id);
      return held;
    });
  }

  onCopy(
    header: OrderHeader,
    orders: readonly CopyOrder[],
    answer: (value: Answer<number>) => void,
  ): void {
    this.#answer(header, answer, () => {
      for (const order of orders) this.#copy(order, 0);
      return orders.length;
    });
  }

  #copy(order: CopyOrder, attempt: number): void {
    const segmentId = order.segment?.id ?? '';
    const name = `${order.keyspaceUid} ${segmentId}`;
    if (attempt === 0 && this.#copying.has(name)) return;
    if (attempt === 0 && this.holdings.claim(order.keyspaceUid, segmentId)) return;
    this.#copying.add(name);
    const source = this.#sim.datanodes.get(order.sources[attempt]?.nodeId ?? '');
    const fail = (reason: string): void => {
      if (attempt + 1 < order.sources.length) return this.#copy(order, attempt + 1);
      this.#copying.delete(name);
      this.#failures.push({ keyspaceUid: order.keyspaceUid, segmentId, reason });
    };
    if (source === undefined) return fail('no source');
    this.#sim.network.call<string>(
      this,
      source,
      CALL_DEADLINE_MS,
      (answer) => source.onFetch(name, answer),
      (got) => {
        if (!got.ok) return fail(got.error);
        this.#store(name, got.value, (error) => {
          if (error !== '') fail(error);
          else this.#copying.delete(name);
        });
      },
    );
  }

  onFetch(name: string, answer: (value: Answer<string>) => void): void {
    const [uid = '', id = ''] = name.split(' ');
    const memory = this.holdings.get(uid, id) as SimSegment | undefined;
    const file = this.holdings.has(uid, id) ? this.disk.files.get(name) : undefined;
    const content = memory?.content ?? file?.content;
    if (content === undefined) return answer({ ok: false, error: 'NOT_FOUND' });
    answer({ ok: true, value: content });
  }

  onDrop(
    header: OrderHeader,
    segments: readonly { readonly uid: string; readonly segmentId: string }[],
    versions: readonly { readonly uid: string; readonly version: number }[],
    asOfRevision: number,
    answer: (value: Answer<number>) => void,
  ): void {
    this.#answer(header, answer, () => {
      let dropped = 0;
      for (const { uid, version } of versions) this.tables.remove({ keyspaceUid: uid, version });
      for (const { segmentId, uid } of segments) {
        const name = `${uid} ${segmentId}`;
        if (!this.holdings.remove(uid, segmentId, asOfRevision)) continue;
        this.disk.files.delete(name);
        this.#sim.judge.copyGone(name, `dropped on ${this.id}`);
        dropped++;
      }
      return dropped;
    });
  }

  /** A loader's push: the answer comes when the segment is durable, or at once when it is here. */
  onPush(uid: string, id: string, answer: (value: Answer<boolean>) => void): void {
    if (this.state !== NodeState.SERVING) return answer({ ok: false, error: 'UNAVAILABLE' });
    if (this.holdings.claim(uid, id)) {
      return answer({ ok: true, value: true });
    }
    const name = `${uid} ${id}`;
    this.#store(name, contentOf(name), (error) => {
      answer(error === '' ? { ok: true, value: true } : { ok: false, error });
    });
  }

  onRead(
    uid: string,
    version: number,
    shard: number,
    key: string,
    answer: (value: Answer<ReadAnswer>) => void,
  ): void {
    const segments = this.tables.get(uid, version)?.shards[shard];
    if (segments === undefined) {
      const status = this.#sim.has('missing-is-not-found') ? 'NOT_FOUND' : 'UNAVAILABLE';
      return answer({ ok: true, value: { status } });
    }
    answer({ ok: true, value: lookUp(uid, segments as readonly SimSegment[], key) });
  }

  onMeasure(
    header: OrderHeader,
    uid: string,
    deltas: readonly DeltaRef[],
    answer: (value: Answer<DeltaMeasure[]>) => void,
  ): void {
    this.#answer(header, answer, () => deltas.map((delta) => this.#deltas.measure(uid, delta)));
  }

  onMerge(
    header: OrderHeader,
    orders: readonly MergeOrder[],
    answer: (value: Answer<MergeStatus[]>) => void,
  ): void {
    this.#answer(header, answer, () => this.#deltas.accept(orders));
  }

  /** The scrubber: a bad file is written again from memory; a parked one is given up. */
  scrub(): void {
    for (const [name, file] of this.disk.files) {
      const [uid = '', id = ''] = name.split(' ');
      if (!this.holdings.has(uid, id) || isIntact(name, file.content)) continue;
      const memory = this.holdings.get(uid, id) as SimSegment | undefined;
      if (memory === undefined) {
        this.holdings.remove(uid, id);
        this.disk.files.delete(name);
        continue;
      }
      this.disk.write(name, memory.content);
      this.disk.sync(name);
    }
  }
}

/** In the newest segment that has the key. What a torn file answers is what is in it. */
function lookUp(uid: string, newestFirst: readonly SimSegment[], key: string): ReadAnswer {
  for (const segment of newestFirst) {
    const { content, meta } = segment;
    if (!isIntact(`${uid} ${meta.id}`, content)) return { status: 'OK', value: content };
    const value = valueIn(segment, key);
    if (value !== undefined) return { status: 'OK', value };
  }
  return { status: 'NOT_FOUND' };
}
