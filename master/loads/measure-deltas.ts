// Has deltas measured by every datanode that holds them with the segments they overlay, so that
// replicas check one another. A few calls at a time per node, each with a deadline.

import type { KeyspaceUid } from '../../base/ids.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { DeltaMeasure } from '../../proto/gen/stele/v1/datanode.ts';
import type { Wanted } from './append-plan.ts';
import { isSameTotals, totalsRecord } from '../catalog/totals.ts';
import type { Leader } from '../control/leader.ts';

const CALLS_PER_NODE = 2;
const DELTAS_PER_CALL_MAX = 32;
/** Limit of records to look up in one call. */
const RECORDS_PER_CALL = 1_000_000;
const DEADLINE_BASE_MS = 20_000;
/** The lowest accepted lookup rate of a node. */
const RECORDS_PER_MS_MIN = 50;

/**
 * The measures of `wanted`, in order, each by at least `replicas` nodes that agree. Throws
 * REPLICAS_MISSING if fewer have answered, LOAD_REJECTED if they disagree.
 */
export async function measureDeltas(
  leader: Leader,
  log: Logger,
  keyspaceUid: KeyspaceUid,
  wanted: readonly Wanted[],
  replicas: number,
): Promise<DeltaMeasure[]> {
  const answers: Answers = wanted.map(() => new Map());
  const nodes = [...leader.roster.connections.getClients().keys()].filter(
    (nodeId) => leader.roster.get(nodeId)?.liveness === 'SERVING',
  );
  await Promise.all(
    nodes.map(async (nodeId) => {
      try {
        await measureOn(leader, nodeId, keyspaceUid, wanted, answers);
      } catch (thrown) {
        const error = toSteleError(thrown);
        log.warn({ node: nodeId, code: error.code, err: error }, 'deltas were not measured');
      }
    }),
  );
  return wanted.map((each, index) => agreedMeasure(each, answers[index] ?? new Map(), replicas));
}

/** By index in `wanted`: the answers by node. */
type Answers = Map<string, DeltaMeasure>[];

async function measureOn(
  leader: Leader,
  nodeId: string,
  keyspaceUid: KeyspaceUid,
  wanted: readonly Wanted[],
  answers: Answers,
): Promise<void> {
  const link = leader.roster.connections.requireClient(nodeId);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < wanted.length) {
      const first = next;
      const records = takeRecords(wanted, first);
      next = records.end;
      const deltas = wanted.slice(first, records.end).map(({ ref }) => ref);
      const { measures } = await link.measureDeltas(
        { header: leader.header(nodeId), keyspaceUid, deltas },
        { deadlineMs: DEADLINE_BASE_MS + records.count / RECORDS_PER_MS_MIN },
      );
      measures.forEach((measure, index) => {
        if (measure.held) answers[first + index]?.set(nodeId, measure);
      });
    }
  };
  await Promise.all(Array.from({ length: CALLS_PER_NODE }, lane));
}

/** The end of a call that begins with index `first`. */
function takeRecords(
  wanted: readonly Wanted[],
  first: number,
): { readonly end: number; readonly count: number } {
  let end = first;
  let count = 0;
  do {
    count += wanted[end]?.delta.records ?? 0;
    end++;
  } while (end < wanted.length && end - first < DELTAS_PER_CALL_MAX && count < RECORDS_PER_CALL);
  return { end, count };
}

/** The measure on which at least `replicas` nodes agree. Pure. Throws as measureDeltas does. */
function agreedMeasure(
  { delta }: Wanted,
  answers: ReadonlyMap<string, DeltaMeasure>,
  replicas: number,
): DeltaMeasure {
  const [first, ...others] = answers;
  if (first === undefined || answers.size < replicas) {
    throw new SteleError(
      'REPLICAS_MISSING',
      `Shard ${delta.shard} has ${answers.size} of ${replicas} replicas with all its segments (${[...answers.keys()].join(', ') || 'none'}). ` +
        'Nothing became visible; run the load again to resume it once the datanodes are back, or with a lower --min-replicas.',
    );
  }
  const [firstId, measure] = first;
  const other = others.find(([, each]) => !isSame(measure, each));
  if (other === undefined) return measure;
  throw new SteleError(
    'LOAD_REJECTED',
    `The load was not committed: datanodes ${firstId} and ${other[0]} do not agree on what its rows change in shard ${delta.shard}, so one of them has a bad copy; check their data folders (\`stele verify --data-dir\`) or wait for the scrubber, then run the load again.`,
  );
}

function isSame(one: DeltaMeasure, other: DeltaMeasure): boolean {
  return (
    one.added === other.added &&
    one.replaced === other.replaced &&
    one.unchanged === other.unchanged &&
    isSameTotals(totalsRecord(one.overwritten), totalsRecord(other.overwritten))
  );
}
