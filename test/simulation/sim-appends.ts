// What the version of a simulated append consists of, as master/loads/append-content.ts and measure-deltas.ts come
// to it: planned and added up by the real code, measured by the simulated datanodes.

import { SteleError } from '../../base/errors.ts';
import { appendTotals, planAppend } from '../../master/loads/append-plan.ts';
import type { AppendPlan, Wanted } from '../../master/loads/append-plan.ts';
import { requireCurrent } from '../../master/catalog/commit-transitions.ts';
import type { CommitContent } from '../../master/catalog/commit-transitions.ts';
import { loadNotFound } from '../../master/catalog/load-transitions.ts';
import { versionId } from '../../master/catalog/records.ts';
import type { ManifestRecord, SegmentRecord } from '../../master/catalog/records.ts';
import { agreedMeasure } from '../../master/loads/measure-deltas.ts';
import type { DeltaMeasure } from '../../proto/gen/stele/v1/datanode.ts';
import type { Answer } from './sim-network.ts';
import { SHARDS } from './sim-segment.ts';
import type { DatanodePort, SimWorld } from './sim-world.ts';

const MEASURE_DEADLINE_MS = 5_000;

export type LoadContent = Omit<CommitContent, 'version' | 'fingerprint' | 'nowIso'>;

export interface AppendedLoad {
  readonly uid: string;
  /** The version that it began on. */
  readonly base: number;
  readonly deltas: readonly SegmentRecord[];
  readonly replicas: number;
}

export function appendContent(
  sim: SimWorld,
  { base, deltas, replicas, uid }: AppendedLoad,
  done: (content: Answer<LoadContent>) => void,
): void {
  sim.master.update<ManifestRecord | undefined>(
    'load',
    (state) => {
      const keyspace = state.keyspace.get(uid);
      if (keyspace === undefined) throw loadNotFound(uid);
      if (!sim.has('append-to-other')) requireCurrent(keyspace, base);
      return { changes: [], result: state.manifest.get(versionId(uid, base)) };
    },
    (found) => {
      if (!found.ok) return done(found);
      const manifest = found.value;
      const plan = attempt(() => planAppend(manifest, deltas, SHARDS));
      if (!plan.ok) return done(plan);
      measureAll(sim, uid, plan.value.wanted, (answers) =>
        done(attempt(() => summedUp(plan.value, base, manifest, answers, replicas))),
      );
    },
  );
}

function summedUp(
  plan: AppendPlan,
  base: number,
  manifest: ManifestRecord | undefined,
  answers: readonly ReadonlyMap<string, DeltaMeasure>[],
  replicas: number,
): LoadContent {
  const measures = plan.wanted.map((each, index) =>
    agreedMeasure(each, answers[index] ?? new Map<string, DeltaMeasure>(), replicas),
  );
  const { outcome, overwritten, totals } = appendTotals(plan, measures);
  const append = { base, ...outcome };
  const appended = { append, overwritten, baseRevision: manifest?.revision ?? 0 };
  return { segments: plan.segments, ...totals, appended };
}

/** By the index of what is wanted: who measured what. One that does not answer measures nothing. */
function measureAll(
  sim: SimWorld,
  uid: string,
  wanted: readonly Wanted[],
  done: (answers: readonly ReadonlyMap<string, DeltaMeasure>[]) => void,
): void {
  const { master } = sim;
  const answers = wanted.map(() => new Map<string, DeltaMeasure>());
  const serving = [...master.state.nodes.values()].flatMap(({ id, liveness }) => {
    const node = liveness === 'SERVING' ? sim.datanodes.get(id) : undefined;
    return node === undefined ? [] : [node];
  });
  let left = serving.length;
  if (left === 0 || wanted.length === 0) return done(answers);
  for (const node of serving) {
    measureOn(sim, node, uid, wanted, (measures) => {
      for (const [index, measure] of measures.entries()) {
        if (measure.held) answers[index]?.set(node.id, measure);
      }
      if (--left === 0) done(answers);
    });
  }
}

function measureOn(
  { master, network }: SimWorld,
  node: DatanodePort,
  uid: string,
  wanted: readonly Wanted[],
  done: (measures: readonly DeltaMeasure[]) => void,
): void {
  const header = master.header(node.id);
  const deltas = wanted.map(({ ref }) => ref);
  network.call<DeltaMeasure[]>(
    master,
    node,
    MEASURE_DEADLINE_MS,
    (answer) => node.onMeasure(header, uid, deltas, answer),
    (measures) => done(measures.ok ? measures.value : []),
  );
}

/** What `run` returns; what it refuses, as an answer that says so. */
export function attempt<Value>(run: () => Value): Answer<Value> {
  try {
    return { ok: true, value: run() };
  } catch (thrown) {
    if (!(thrown instanceof SteleError)) throw thrown;
    return { ok: false, error: thrown.message };
  }
}
