// What the parts of a simulation know of each other.

import { silentLogger } from '../../../base/log.ts';
import type { Logger } from '../../../base/log.ts';
import { BackgroundTasks } from '../../../base/background.ts';
import { SteleError, systemErrorCode } from '../../../base/errors.ts';
import type { Env } from '../../../base/env.ts';
import type { ControlPlane } from '../../../master/control-plane.ts';
import type { LeaderCalls } from '../../../proto/operations.ts';
import type { Defect } from '../chaos/defects.ts';
import type { Judge } from '../judge/judge.ts';
import type { SimBucket } from '../world/bucket.ts';
import type { SimClock, SimProcess } from '../world/clock.ts';
import type { SimEtcd } from '../world/etcd.ts';
import type { SimMetadata, Stored } from '../world/metadata.ts';
import type { SimNetwork } from '../world/network.ts';
import type { SimRandom } from '../world/random.ts';
import type { SimDatanode } from './datanode.ts';
import type { SimLoader } from './loader.ts';
import type { SimMaster } from './master.ts';
import type { SimCandidate } from './candidate.ts';
import type { SegmentBook } from './segments.ts';

/** A master, whether it is the only one or not. */
export interface MasterProcess extends SimProcess {
  /** While it leads. */
  readonly plane: ControlPlane | undefined;
  /** What it answers to everybody; undefined: it is starting. */
  readonly seat: LeaderCalls | undefined;
  start(): void;
  crash(): void;
}

/** The only master, with its store. */
export interface Single {
  readonly master: SimMaster;
  readonly store: SimMetadata;
}

/** Several masters, with their etcd. */
export interface Several {
  readonly masters: readonly SimCandidate[];
  readonly etcd: SimEtcd;
}

export interface Cluster {
  readonly clock: SimClock;
  readonly random: SimRandom;
  readonly network: SimNetwork;
  /** What is durable of the catalog, and until when its store answers late. */
  readonly metadata: { readonly stored: Stored; readonly hangsUntilMs: number };
  readonly book: SegmentBook;
  readonly judge: Judge;
  readonly single: Single | undefined;
  readonly several: Several | undefined;
  /** Of a cluster with a deep store. */
  readonly bucket: SimBucket | undefined;
  /** Of several masters. */
  readonly etcd: SimEtcd | undefined;
  readonly masters: readonly MasterProcess[];
  /** The one that leads; another one if none does. */
  readonly master: MasterProcess;
  /** Of the next master that begins an epoch; 0: the ring stays as it is. */
  virtualNodes: number;
  readonly loader: SimLoader;
  readonly operator: SimProcess;
  readonly reader: SimProcess;
  readonly datanodes: Map<string, SimDatanode>;
  readonly defect: Defect | undefined;
  /** Uids of keyspaces that an operator has dropped. */
  readonly dropped: Set<string>;
  /** When a fault last took a whole disk. */
  emptiedAtMs: number;
  /** Until then parts of the master throw now and then. */
  throwsUntilMs: number;
  /** Until then datanodes take long to compare deltas with what they are for. */
  slowUntilMs: number;
  /** Whether the power of a datanode goes just now, between a write and its sync. */
  strikes(node: SimDatanode): boolean;
  placeOf(number: number): { readonly host: string; readonly zone: string };
  /** Into the trace. */
  note(what: string): void;
}

/** What a part of the master throws that a fault has been put into. */
class Injected extends Error {}

/** Throws, now and then, while that fault lasts. */
export function throwNowAndThen({ clock, random, throwsUntilMs }: Cluster, where: string): void {
  if (clock.nowMs < throwsUntilMs && random.chance(0.2)) throw new Injected(where);
}

/** The background runner of one run of a process. */
export function backgroundOf(
  cluster: Pick<Cluster, 'judge' | 'note'>,
  process: SimProcess,
  log: Logger,
  env: Env,
): BackgroundTasks {
  const background = new BackgroundTasks(log, env);
  watchFaults(cluster, process, background);
  return background;
}

/** What fails in the background of a process that no fault explains is the product's. */
export function watchFaults(
  { judge, note }: Pick<Cluster, 'judge' | 'note'>,
  process: SimProcess,
  background: BackgroundTasks,
): void {
  const fault = background.fault.bind(background);
  background.fault = (name, thrown) => {
    note(`fault ${process.id} ${name}`);
    if (!isExplained(thrown)) judge.fail(`${name} of ${process.id} failed: ${stackOf(thrown)}`);
    fault(name, thrown);
  };
}

function isExplained(thrown: unknown): boolean {
  if (thrown instanceof Injected) return true;
  if (!(thrown instanceof SteleError)) return systemErrorCode(thrown) !== undefined;
  if (thrown.cause instanceof Injected) return true;
  return thrown.code !== 'INTERNAL' && thrown.code !== 'CORRUPT';
}

function stackOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}

/** STELE_SIMULATION_LOG=1: what the product logs, with simulated times. */
export function logOf({ id }: SimProcess, clock: SimClock): Logger {
  if (process.env['STELE_SIMULATION_LOG'] === undefined) return silentLogger;
  const line =
    (level: string) =>
    (about: unknown, text = ''): void => {
      console.log(`${clock.nowMs} ${id} ${level} ${text}`, about);
    };
  const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];
  return Object.fromEntries(levels.map((level) => [level, line(level)])) as unknown as Logger;
}
