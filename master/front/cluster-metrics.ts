// The metrics of the cluster's data and nodes in /metrics, for nightly jobs and alarms.
//
// Each scrape calls the operations of `stele keyspaces`, `stele nodes`, `stele loads` and `stele
// status` once each.

import { SteleError } from '../../base/errors.ts';
import type { MetricSet, Series } from '../../base/process/metrics.ts';
import type {
  GetArchiveResponse,
  KeyspaceSummary,
  NodeSummary,
  NoLeader,
} from '../../proto/gen/stele/v1/cluster.ts';
import { LoadState } from '../../proto/gen/stele/v1/load.ts';
import type { LoadStatus } from '../../proto/gen/stele/v1/load.ts';
import { HealthStatus, NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { ClusterOperations } from '../../proto/operations.ts';
import { loadStateWord, nodeStateWord } from '../../proto/view-words.ts';

/** Adds the metrics of keyspaces, loads, nodes and shards to `set`. */
export function defineClusterMetrics(set: MetricSet, operations: ClusterOperations): void {
  defineKeyspaces(set, operations);
  defineLoads(set, operations);
  defineNodes(set, operations);
  defineShards(set, operations);
  defineMasters(set, operations);
  defineArchive(set, operations);
}

/** Shares one call of `read` among all metrics of one scrape. */
function shared<Answer>(read: () => Promise<Answer>): () => Promise<Answer> {
  let pending: Promise<Answer> | undefined;
  return () => {
    pending ??= read().finally(() => {
      pending = undefined;
    });
    return pending;
  };
}

/** A series of a last view would look like one of now: without a leader there is none. */
function ofLeader<Answer extends { readonly noLeader?: NoLeader | undefined }>(
  answer: Answer,
): Answer {
  if (answer.noLeader !== undefined) throw new SteleError('UNAVAILABLE', answer.noLeader.reason);
  return answer;
}

function defineKeyspaces(set: MetricSet, operations: ClusterOperations): void {
  const list = shared(async () => ofLeader(await operations.listKeyspaces()));
  const ofEach = (name: string, help: string, value: (keyspace: KeyspaceSummary) => number): void =>
    set.series(name, help, async () => {
      const { keyspaces } = await list();
      return keyspaces
        .filter(({ currentVersion }) => currentVersion > 0)
        .map((keyspace): Series => [{ keyspace: keyspace.name }, value(keyspace)]);
    });
  set.series(
    'stele_keyspace_repairing',
    '1 while something keeps a keyspace from the state that it should have; otherwise 0',
    async () =>
      (await list()).keyspaces.map(({ name: keyspace, repairing }): Series => {
        return [{ keyspace }, Number(repairing !== undefined)];
      }),
  );
  ofEach('stele_keyspace_version', 'Current version', ({ currentVersion }) => currentVersion);
  ofEach(
    'stele_keyspace_commit_timestamp_seconds',
    'When the current version was committed, in seconds since 1970',
    ({ committedAt }) => secondsOf(committedAt),
  );
  ofEach('stele_keyspace_records', 'Records of the current version', ({ records }) => records);
  ofEach(
    'stele_keyspace_data_bytes',
    'Keys and values of the current version, one copy',
    ({ keyBytes, valueBytes }) => keyBytes + valueBytes,
  );
  ofEach(
    'stele_keyspace_segment_bytes',
    'Segments of the current version, one copy',
    ({ segmentBytes }) => segmentBytes,
  );
  ofEach(
    'stele_keyspace_tier_segments_left',
    'Segments that datanodes have still to move to the tier of the keyspace',
    ({ moving }) => moving?.segmentsLeft ?? 0,
  );
}

function defineLoads(set: MetricSet, operations: ClusterOperations): void {
  const loads = shared(async () => (await operations.listLoads({ keyspace: '' })).loads);
  set.series('stele_loads_running', 'Loads under way', async () => {
    const running = (await loads()).filter(({ state }) => state === LoadState.RUNNING);
    return [[{}, running.length]];
  });
  const ofLast = (name: string, help: string, value: (load: LoadStatus) => number): void =>
    set.series(name, help, async () => {
      const last = newestEnded(await loads());
      return last.map((load): Series => {
        const result = loadStateWord(load.state).toLowerCase();
        return [{ keyspace: load.keyspace, result }, value(load)];
      });
    });
  ofLast(
    'stele_last_load_end_timestamp_seconds',
    'When the last load of a keyspace ended, in seconds since 1970, and how (result)',
    ({ endedAt }) => secondsOf(endedAt),
  );
  ofLast(
    'stele_last_load_duration_seconds',
    'How long the last load of a keyspace took',
    ({ endedAt, startedAt }) => secondsOf(endedAt) - secondsOf(startedAt),
  );
  ofLast(
    'stele_last_load_rejected_rows',
    'Bad rows of the last load of a keyspace',
    ({ rejected }) => rejected,
  );
}

/** The last load to end, for each keyspace. */
function newestEnded(loads: readonly LoadStatus[]): LoadStatus[] {
  const newest = new Map<string, LoadStatus>();
  for (const load of loads) {
    if (load.state === LoadState.RUNNING) continue;
    const known = newest.get(load.keyspace);
    if (known === undefined || known.endedAt < load.endedAt) newest.set(load.keyspace, load);
  }
  return [...newest.values()];
}

function defineNodes(set: MetricSet, operations: ClusterOperations): void {
  const list = shared(async () => ofLeader(await operations.listNodes()).nodes);
  set.series('stele_nodes', 'Registered datanodes by state', async () => {
    const nodes = await list();
    const states = Object.values(NodeState).filter((state) => state !== NodeState.UNSPECIFIED);
    return states.map((state): Series => {
      const count = nodes.filter(({ node }) => node?.state === state).length;
      return [{ state: nodeStateWord(state).toLowerCase() }, count];
    });
  });
  const ofEach = (name: string, help: string, value: (node: NodeSummary) => number): void =>
    set.series(name, help, async () =>
      (await list()).map((node): Series => [{ node: node.node?.id ?? '' }, value(node)]),
    );
  ofEach(
    'stele_node_view_lag',
    'Views of the cluster that a datanode has not taken yet',
    ({ viewLag }) => viewLag,
  );
  ofEach(
    'stele_node_trouble',
    '1 while something is wrong with a datanode that answers (its disk, its reads or its view); otherwise 0',
    ({ trouble }) => Number(trouble !== ''),
  );
}

function defineMasters(set: MetricSet, operations: ClusterOperations): void {
  const help = 'The masters that run: 1 for the leader, 0 for those that follow it';
  set.series('stele_master_leads', help, async () => {
    const { masters } = await operations.listMasters();
    return masters.map(({ address, leads }): Series => [{ master: address }, leads ? 1 : 0]);
  });
}

/** Without a deep store there are none. */
function defineArchive(set: MetricSet, operations: ClusterOperations): void {
  const archive = shared(async () => {
    try {
      return await operations.getArchive();
    } catch (thrown) {
      if (thrown instanceof SteleError && thrown.code === 'CONFLICT') return undefined;
      throw thrown;
    }
  });
  const ofArchive = (
    name: string,
    help: string,
    value: (archive: GetArchiveResponse) => number,
  ): void =>
    set.series(name, help, async () => {
      const found = await archive();
      return found === undefined ? [] : [[{}, value(found)]];
    });
  ofArchive(
    'stele_archive_versions_waiting',
    'Kept versions that are not in the deep store yet',
    ({ waiting }) => waiting.length,
  );
  ofArchive(
    'stele_archive_bytes_waiting',
    'Bytes of segments that are not in the deep store yet',
    ({ waiting }) => waiting.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  ofArchive(
    'stele_archive_trouble',
    '1 while the deep store cannot be used, or a version could not be written; otherwise 0',
    ({ trouble }) => Number(trouble !== ''),
  );
}

function defineShards(set: MetricSet, operations: ClusterOperations): void {
  const health = shared(async () =>
    ofLeader(await operations.health({ waitFor: HealthStatus.UNSPECIFIED, timeoutMs: 0 })),
  );
  const ofHealth = (
    name: string,
    help: string,
    value: (health: Awaited<ReturnType<ClusterOperations['health']>>) => number,
  ): void => set.series(name, help, async () => [[{}, value(await health())]]);
  ofHealth('stele_shards', 'Shards of the cluster', ({ shardsTotal }) => shardsTotal);
  ofHealth(
    'stele_shards_under_replicated',
    'Shards that have fewer copies than they should, of any keyspace',
    ({ shardsUnderReplicated }) => shardsUnderReplicated,
  );
  ofHealth(
    'stele_shards_uncovered',
    'Shards without any copy on a serving datanode, of any keyspace',
    ({ uncovered }) => uncovered.length,
  );
  ofHealth('stele_copies_running', 'Copies being made', ({ copiesRunning }) => copiesRunning);
  ofHealth(
    'stele_copies_failing',
    'Copies that failed and are tried again',
    ({ copiesFailing }) => copiesFailing,
  );
}

/** Seconds since 1970 of an ISO 8601 time; 0 for none. */
function secondsOf(isoTime: string): number {
  return isoTime === '' ? 0 : Date.parse(isoTime) / 1000;
}
