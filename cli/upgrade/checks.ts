// Whether the processes of a cluster may be replaced by this release, one at a time, by what its
// masters say.

import { listNames } from '../../base/ids.ts';
import { formatBytes } from '../../base/units.ts';
import type {
  GetHealthResponse,
  KeyspaceSummary,
  MasterSummary,
  ShardSummary,
} from '../../proto/gen/stele/v1/cluster.ts';
import { LoadState } from '../../proto/gen/stele/v1/load.ts';
import type { LoadStatus } from '../../proto/gen/stele/v1/load.ts';
import { fail, ok, warn } from '../doctor/finding.ts';
import type { Finding } from '../doctor/finding.ts';
import { lackOf, nodesAway, singleCopy, stateText } from '../rolling-conditions.ts';
import { counted } from '../words.ts';

const COPIES_MIN = 2;
const NAMED_MAX = 5;

export interface ClusterFacts {
  readonly health: GetHealthResponse;
  readonly keyspaces: readonly KeyspaceSummary[];
  readonly shards: readonly ShardSummary[];
  /** Those that run, and others. */
  readonly loads: readonly LoadStatus[];
  readonly masters: readonly MasterSummary[];
}

/** Everything but releases and formats (formats.ts). */
export function checkFacts(facts: ClusterFacts): Finding[] {
  const { health, keyspaces, loads, masters, shards } = facts;
  return [
    healthFinding(health),
    datanodesFinding(health),
    copiesFinding(keyspaces, health),
    shardsFinding(shards),
    ...memoryFindings(health),
    loadsFinding(loads),
    mastersFinding(masters),
  ];
}

function healthFinding(health: GetHealthResponse): Finding {
  if (health.noLeader !== undefined) {
    const advice = 'Wait until a master leads (`stele masters`), then check again.';
    return fail('health', `no master leads: ${health.noLeader.reason}`, advice);
  }
  const lack = lackOf(health);
  if (lack === undefined) return ok('health', 'green, and every datanode serves');
  const text = [lack, ...health.reasons].join('; ');
  return fail('health', text, 'Wait for green (`stele status --wait green`), then check again.');
}

function datanodesFinding(health: GetHealthResponse): Finding {
  const away = nodesAway(health);
  if (away.length > 0) {
    const text = `${listed(away.map(stateText))}: another one that is away may be one too many`;
    const advice =
      'Start it again, resume it (`stele node resume ID`), or remove it (`stele node remove ID`).';
    return fail('datanodes', text, advice);
  }
  const troubled = health.nodes.filter(({ trouble }) => trouble !== '');
  if (troubled.length > 0) {
    const text = listed(troubled.map(({ node, trouble }) => `${node?.id ?? ''}: ${trouble}`));
    return fail('datanodes', text, 'Mend that first: its copies may be needed.');
  }
  return ok('datanodes', `${counted(health.nodes.length, 'datanode')}, none drained or missing`);
}

function copiesFinding(keyspaces: readonly KeyspaceSummary[], health: GetHealthResponse): Finding {
  const why = singleCopy(keyspaces, health);
  if (why === undefined) return ok('copies', 'every keyspace has two or more');
  const advice =
    'Raise it (`stele replication KEYSPACE 2`), start more datanodes, or accept failed reads.';
  return fail('copies', `${why}, so reads fail while its datanode is replaced`, advice);
}

function shardsFinding(shards: readonly ShardSummary[]): Finding {
  const short = shards.filter(({ bytes, holders }) => bytes > 0 && holders.length < COPIES_MIN);
  if (short.length === 0) {
    return ok('shards', 'each can be read while any one datanode is away');
  }
  const text = `${counted(short.length, 'shard')} cannot be read while its one holder is away: ${listed(short.map(({ shard }) => String(shard)))}`;
  return fail('shards', text, 'Wait until the copies are made (`stele shards`).');
}

/** Datanodes take over the copies of one that stays away for longer than the repair delay. */
function memoryFindings({ nodes }: GetHealthResponse): Finding[] {
  const limits = nodes.map(({ memoryLimitBytes }) => memoryLimitBytes);
  if (nodes.length < 2 || limits.includes(0)) return [];
  const used = sum(nodes.map(({ segmentBytes }) => segmentBytes));
  const left = sum(limits) - Math.max(...limits);
  const text = `${formatBytes(used)} of segments, and the datanodes have ${formatBytes(left)} while the largest is away`;
  if (used <= left) return [ok('memory', text)];
  const advice =
    'Have each back within --repair-delay, or raise --memory-max: there is no room for its copies elsewhere.';
  return [warn('memory', text, advice)];
}

function loadsFinding(loads: readonly LoadStatus[]): Finding {
  const running = loads.filter(({ state }) => state === LoadState.RUNNING);
  if (running.length === 0) return ok('loads', 'none runs');
  const text = `${counted(running.length, 'load')} running: ${listed(running.map(({ keyspace, loadId }) => `${loadId} into ${keyspace}`))}`;
  const advice =
    'Wait for its end (`stele loads`): it waits for each datanode that is away, for --replica-wait at most.';
  return warn('loads', text, advice);
}

function mastersFinding(masters: readonly MasterSummary[]): Finding {
  const [only, ...others] = masters;
  if (only === undefined || others.length === 0) {
    const text =
      'one: while it is replaced, reads through it and changes fail or wait; datanodes, query nodes and the library read on';
    const advice =
      'Choose a moment without loads and changes, or run several masters (docs/operations.md).';
    return warn('masters', text, advice);
  }
  const away = masters.filter(({ trouble }) => trouble !== '');
  if (away.length > 0) {
    const text = listed(away.map(({ address, trouble }) => `${address}: ${trouble}`));
    const advice =
      'Start it again. One that was stopped for good leaves the list within five minutes.';
    return fail('masters', text, advice);
  }
  return ok(
    'masters',
    `${masters.length}: another one leads within about a second, and changes wait for it`,
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

export function listed(names: readonly string[]): string {
  return listNames(names, NAMED_MAX);
}
