// What the parts of a simulation know of each other.

import type { CatalogState, Change, Transition } from '../../master/catalog/catalog.ts';
import type { AppendRecord } from '../../master/catalog/records.ts';
import type { ControlEvent } from '../../master/core/control-events.ts';
import type { ControlState } from '../../master/core/control-state.ts';
import type { Merge } from '../../master/core/merge.ts';
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
import type { ClusterView, NodeAddress } from '../../proto/gen/stele/v1/view.ts';
import type { SimClock, SimProcess } from './sim-clock.ts';
import type { SimDisk } from './sim-disk.ts';
import type { Answer, SimNetwork } from './sim-network.ts';
import type { SimRandom } from './sim-random.ts';

/** Rules that can be broken on purpose, in the wiring of the simulation, to see that it notices. */
export type Defect =
  | 'skip-fsync'
  | 'ignore-epoch'
  | 'swap-early'
  | 'serve-unverified'
  | 'missing-is-not-found'
  | 'merge-drops-delta'
  | 'merge-early'
  | 'append-to-other'
  | 'restore-gives-numbers-again';

/** Something that must never be. */
export class Violation extends Error {}

/** Who changes the catalog: an operator's word is not to be written by anybody else. */
export type Writer = 'start' | 'node' | 'loop' | 'load' | 'operator';

export type ReadAnswer =
  | { readonly status: 'OK'; readonly value: string }
  | { readonly status: 'NOT_FOUND' | 'UNAVAILABLE' };

type Reply<Value> = (answer: Answer<Value>) => void;

export interface DatanodePort extends SimProcess {
  readonly disk: SimDisk;
  readonly address: NodeAddress;
  readonly zone: string;
  readonly incarnation: string;
  readonly cluster: { readonly view: ClusterView | undefined };
  start(): void;
  crash(): void;
  scrub(): void;
  onHeartbeat(header: OrderHeader, answer: Reply<HeartbeatResponse>): void;
  onListHoldings(header: OrderHeader, since: number, answer: Reply<ListHoldingsResponse>): void;
  onApplyView(header: OrderHeader, view: ClusterView, answer: Reply<ApplyViewResponse>): void;
  onPutManifest(header: OrderHeader, manifest: Manifest, answer: Reply<SegmentInfo[]>): void;
  onCopy(header: OrderHeader, orders: readonly CopyOrder[], answer: Reply<number>): void;
  onFetch(name: string, answer: Reply<string>): void;
  onDrop(
    header: OrderHeader,
    segments: readonly { readonly uid: string; readonly segmentId: string }[],
    versions: readonly { readonly uid: string; readonly version: number }[],
    asOfRevision: number,
    answer: Reply<number>,
  ): void;
  onPush(uid: string, segmentId: string, answer: Reply<boolean>): void;
  onRead(uid: string, version: number, shard: number, key: string, answer: Reply<ReadAnswer>): void;
  onMeasure(
    header: OrderHeader,
    uid: string,
    deltas: readonly DeltaRef[],
    answer: Reply<DeltaMeasure[]>,
  ): void;
  onMerge(header: OrderHeader, orders: readonly MergeOrder[], answer: Reply<MergeStatus[]>): void;
}

export interface MasterPort extends SimProcess {
  /** On disk. */
  readonly durable: CatalogState;
  readonly state: ControlState;
  /** The catalog as it was after each of the last changes since the last restore, the latest one last. */
  readonly backups: readonly CatalogState[];
  /** Commits that are under way, with the keyspace's uid: its manifests stay as they are. */
  readonly committing: Map<object, string>;
  start(): void;
  crash(): void;
  /** Starts the master, which has crashed, on an older catalog. */
  restore(backup: CatalogState): void;
  update<Result>(
    writer: Writer,
    run: (state: CatalogState) => Transition<Result>,
    done?: Reply<Result>,
  ): void;
  dispatch(event: ControlEvent): void;
  header(nodeId: string): OrderHeader;
  onRegister(node: DatanodePort, answer: Reply<boolean>): void;
  /** `done` gets the segments that the node holds, or undefined where it did not take the manifest. */
  putManifest(
    node: DatanodePort,
    manifest: Manifest,
    done: (held: readonly SegmentInfo[] | undefined) => void,
  ): void;
  removeNode(id: string): void;
}

/** Sees everything, and throws Violation. */
export interface JudgePort {
  manifestGiven(manifest: Manifest): void;
  answered(node: DatanodePort, ref: string, shard: number, key: string, got: ReadAnswer): void;
  /** Before anybody is given the manifest: what the version of an append must hold. */
  appended(
    uid: string,
    version: number,
    base: number,
    deltaIds: readonly string[],
    outcome: AppendRecord,
  ): void;
  /** At the moment of their flip. */
  merged(merges: readonly (Merge & { readonly segment: { readonly id: string } })[]): void;
  orderObeyed(node: DatanodePort, header: OrderHeader): void;
  /** Names of segments that a version in the durable catalog needs, or in another one. */
  needed(state?: CatalogState): ReadonlySet<string>;
  /** What was acknowledged since the backup was made is lost. */
  restored(backup: CatalogState): void;
  goodCopies(name: string): number;
  copyGone(name: string, how: string): void;
  crashed(): void;
  committed(uid: string, segmentIds: readonly string[], wanted: number): void;
  acknowledge(uid: string, version: number): void;
  catalogChanges(writer: Writer, changes: readonly Change[]): void;
  turnTaken(master: MasterPort): void;
}

export interface LoaderPort extends SimProcess {
  /** Loads that have begun and are not over, as far as anybody waits for them. */
  readonly running: number;
  load(keyspace: string, mode: 'REPLACE' | 'APPEND'): void;
}

export interface SimWorld {
  readonly clock: SimClock;
  readonly random: SimRandom;
  readonly network: SimNetwork;
  readonly judge: JudgePort;
  readonly master: MasterPort;
  readonly loader: LoaderPort;
  readonly reader: SimProcess;
  readonly datanodes: Map<string, DatanodePort>;
  /** Where the datanode of this number stands: hosts of one or two nodes, in zones or none. */
  placeOf(number: number): { readonly host: string; readonly zone: string };
  /** Uids of keyspaces that an operator has dropped. */
  readonly dropped: Set<string>;
  /** When a fault last took a whole disk. */
  emptiedAtMs: number;
  has(defect: Defect): boolean;
  /** Whether the power of a datanode goes just now, between a write and its sync. */
  strikes(node: DatanodePort): boolean;
  /** Into the trace. */
  note(what: string): void;
  operate<Result>(transition: (state: CatalogState) => Transition<Result>, done?: () => void): void;
}
