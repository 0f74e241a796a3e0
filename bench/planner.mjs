// npm run bench -- planner [--nodes N --shards S --keyspaces K]
//
// What the control plane costs a large cluster, in CPU time of its one thread: the real core, told by
// simulated datanodes what they hold. A first plan for all of it; a turn in which nothing has changed;
// a datanode that falls silent; the same one given up, whose replicas are ordered elsewhere;
// and the heartbeats of all, with the real loops and a turn each interval.

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { NodeSync } from '../dist/master/control/nodes/node-sync.js';
import { Roster } from '../dist/master/control/roster.js';
import { applyEvent } from '../dist/master/core/control-events.js';
import { beginControl } from '../dist/master/core/control-state.js';
import { takeTurn } from '../dist/master/core/control.js';
import { emptyCatalog } from '../dist/master/catalog/catalog.js';
import { placeShards } from '../dist/ring/placement.js';
import { NodeState } from '../dist/proto/gen/stele/v1/view.js';
import { machine, markdownTable, median } from './support.mjs';

const number = (fallback) => ({ type: 'string', default: String(fallback) });
const { values } = parseArgs({
  options: { nodes: number(1000), shards: number(4096), keyspaces: number(100), runs: number(5) },
});
const nodeCount = Number(values.nodes);
const shardCount = Number(values.shards);
const keyspaceCount = Number(values.keyspaces);
const replication = 3;
const RUNS = Number(values.runs);
const HEARTBEAT_INTERVAL_MS = 500;
const HEARTBEAT_ROUNDS = 20;

const settings = {
  replication,
  membership: {
    suspectMisses: 1,
    downMisses: 3,
    initializingDownMisses: 10,
    repairDelayMs: 10_000,
  },
  repair: { copiesPerNodeMax: 4, bytesPerSecondMax: 0 },
  retireDelayMs: 5_000,
};

const nodes = Array.from({ length: nodeCount }, (_, index) => ({
  id: `node-${String(index).padStart(4, '0')}`,
  incarnation: `run-${index}`,
  address: { host: `host-${index}`, httpPort: 1, respPort: 2, grpcPort: 3 },
  zone: `zone-${index % 3}`,
}));
const uids = Array.from({ length: keyspaceCount }, (_, at) => at.toString(16).padStart(16, '0'));
const hex = (value) => value.toString(16).padStart(8, '0').repeat(4);

/** One version of each keyspace, one segment a shard, named as real ones are. */
function catalog() {
  const state = emptyCatalog();
  state.cluster.set('', { id: 'bench', shardCount, createdAt: '' });
  state.epoch.set('', { epoch: 1 });
  for (const node of nodes) state.node.set(node.id, { ...node, drain: false });
  const totals = { records: 1000, keyBytes: 16_000, valueBytes: 100_000, digest: hex(0) };
  for (const [index, uid] of uids.entries()) {
    const desired = { currentVersion: 1, replication: 0 };
    const common = { uid, name: `keyspace-${index}`, createdAt: '' };
    state.keyspace.set(uid, { ...common, index, state: 'RUNNING', desired, nextVersion: 2 });
    const summary = { ...totals, segmentBytes: 1, source: '', inputFingerprint: '', loadId: '' };
    const version = { uid, number: 1, state: 'COMMITTED', ...summary, committedAt: '' };
    state.version.set(`${uid}/1`, version);
    const segments = Array.from({ length: shardCount }, (_, shard) => ({
      ...totals,
      id: `${String(shard).padStart(5, '0')}-${hex(index * shardCount + shard)}-0000abcd`,
      shard,
      fileBytes: 64_000_000,
    }));
    state.manifest.set(`${uid}/1`, { uid, version: 1, segments });
  }
  return state;
}

/** A string of its own, as one that came over the network is. */
const received = (text) => Buffer.from(text).toString('latin1');

function holdingsOf(state, owners) {
  const shardsByNode = new Map(nodes.map(({ id }) => [id, []]));
  for (const [shard, ids] of owners.entries()) {
    for (const id of ids) shardsByNode.get(id).push(shard);
  }
  return new Map(
    nodes.map(({ id }) => [
      id,
      uids.flatMap((uid) => {
        const { segments } = state.manifest.get(`${uid}/1`);
        return shardsByNode
          .get(id)
          .map((shard) => ({ keyspaceUid: uid, segmentId: received(segments[shard].id) }));
      }),
    ]),
  );
}

const report = ({ id, incarnation, address, zone }) => ({
  ...{ nodeId: id, incarnation, address, zone, state: NodeState.SERVING, holdingsRevision: 1 },
  ...{ verifyBytesDone: 0, verifyBytesTotal: 0, stats: undefined, copyFailures: [] },
  ...{ viewEpoch: 1, viewRevision: 1, parked: { keyspaceUids: [], failures: [] } },
});

class Control {
  nowMs = 0;

  constructor(state) {
    this.state = beginControl(state, settings, 0);
  }

  dispatch(event) {
    this.state = applyEvent(this.state, event, this.nowMs, settings);
  }

  turn() {
    const { orders, state } = takeTurn(this.state, this.nowMs, settings, () => '');
    this.state = state;
    return orders;
  }

  hear(node, added) {
    const { id: nodeId, incarnation } = node;
    this.dispatch({ kind: 'known', record: node });
    this.dispatch({ kind: 'answered', nodeId, report: report(node) });
    const list = { revision: 1, full: true, added, removed: [] };
    this.dispatch({ kind: 'listed', nodeId, incarnation, list, since: 0 });
    const view = { revision: 1, keyspaces: uids.map((uid) => ({ uid, versions: [1] })) };
    this.dispatch({ kind: 'view-applied', nodeId, incarnation, view });
  }
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

/** CPU milliseconds of this process, those of its garbage collector and compiler threads included. */
function cpuMs(work) {
  const before = process.cpuUsage();
  const result = work();
  const { system, user } = process.cpuUsage(before);
  return { ms: (system + user) / 1000, result };
}

const rows = [];
const tell = (what, runs, wanted, note) => {
  const ms = median(runs);
  const first = runs[0].toFixed(0);
  rows.push([what, `${ms.toFixed(ms < 10 ? 1 : 0)} ms`, `${first} ms`, wanted, note]);
};

const placing = Array.from({ length: RUNS }, () =>
  cpuMs(() =>
    placeShards({
      nodes: nodes.map(({ address, id, zone }) => ({ id, zone, host: address.host })),
      shardCount,
      replication,
    }),
  ),
);
tell(
  'owners of all shards, by the ring',
  placing.map(({ ms }) => ms),
  '',
  '',
);

const state = catalog();
const held = holdingsOf(state, placing[0].result);
const control = new Control(state);
const takenIn = nodes.map((node) => {
  const { ms } = cpuMs(() => control.hear(node, held.get(node.id)));
  held.delete(node.id);
  return ms;
});
const takenInMs = takenIn.reduce((sum, ms) => sum + ms, 0);
tell('reports of all datanodes taken in', [takenInMs], '', 'as they come, one at a time');

// What making the cluster has left behind is not the plan's to clear away.
collectGarbage();
await sleep(1000);
const whole = cpuMs(() => control.turn());
if (whole.result.copies.length > 0) throw new Error('everything is where it should be');
tell(
  'first plan for everything',
  [whole.ms],
  'under 1,000 ms',
  `${nodeCount} reports of ${keyspaceCount} keyspaces each`,
);

const idle = Array.from({ length: RUNS }, () => cpuMs(() => control.turn()).ms);
tell('a turn in which nothing has changed', idle, '', '');

const silent = [];
const gone = [];
const copies = [];
for (let run = 0; run < RUNS; run++) {
  const node = nodes[(run * 7919 + 13) % nodeCount];
  const down = cpuMs(() => {
    for (let miss = 0; miss < 3; miss++) control.dispatch({ kind: 'missed', nodeId: node.id });
    return control.turn();
  });
  silent.push(down.ms);
  if (down.result.view === undefined) throw new Error('reads go elsewhere at once');
  control.nowMs += 10_001;
  const given = cpuMs(() => control.turn());
  gone.push(given.ms);
  copies.push(given.result.copies.length);
  if (given.result.copies.length === 0) throw new Error('its replicas are ordered elsewhere');
  control.dispatch({ kind: 'answered', nodeId: node.id, report: report(node) });
  control.turn();
}
tell('a datanode falls silent: new routes', silent, 'under 100 ms', '');
tell(
  'it is given up: new owners, copies ordered',
  gone,
  'under 100 ms',
  `${median(copies)} copies at first`,
);

/** The real heartbeat loops, with datanodes that answer at once; in real time, as these have timers. */
async function hearAll() {
  const log = { info() {}, warn() {}, debug() {} };
  const background = { run: (_name, work) => void work() };
  // Made beforehand: what a message costs to decode is not what is measured here.
  const reports = new Map(nodes.map((node) => [node.id, report(node)]));
  const links = {
    connect: ({ nodeId }) => ({
      heartbeat: async () => reports.get(nodeId),
      applyView: async () => ({ missingManifests: [] }),
      // The probe of a read: answered.
      lookups: { lookup: async () => {} },
      close() {},
    }),
  };
  let heard = 0;
  const header = (nodeId) => ({ epoch: 1, nodeId, incarnation: '', clusterId: 'bench' });
  const roster = new Roster(
    {
      links,
      heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
      heartbeatDeadlineMs: 1000,
      background,
      log,
    },
    {
      node: (nodeId) => control.state.nodes.get(nodeId),
      dispatch: (event) => control.dispatch(event),
      onHeard: (nodeId) => {
        heard += 1;
        sync.kick(nodeId);
      },
      header,
      allReplicated: () => true,
    },
  );
  const sync = new NodeSync(
    roster.connections,
    {
      header,
      currentView: () => control.state.view,
      holdingsRevisions: () => ({ known: 1, reported: 1 }),
      outdatedManifests: () => [],
      onViewApplied: () => {},
    },
    background,
    log,
  );
  for (const node of nodes) roster.follow(node);
  const turns = setInterval(() => control.turn(), HEARTBEAT_INTERVAL_MS);
  // As in a master that runs for long: what is run often is compiled by then.
  await sleep(HEARTBEAT_INTERVAL_MS * HEARTBEAT_ROUNDS);
  heard = 0;
  const before = process.cpuUsage();
  const loopBefore = performance.eventLoopUtilization();
  await sleep(HEARTBEAT_INTERVAL_MS * HEARTBEAT_ROUNDS);
  clearInterval(turns);
  const { system, user } = process.cpuUsage(before);
  const { active } = performance.eventLoopUtilization(loopBefore);
  roster.close();
  // By heartbeats and not by the clock: a busy machine makes fewer of them in the same time.
  const perRound = (all) => (all * nodeCount) / heard;
  return { loopMs: perRound(active), processMs: perRound((system + user) / 1000) };
}

const { loopMs, processMs } = await hearAll();
const share = (ms) => `${((ms / HEARTBEAT_INTERVAL_MS) * 100).toFixed(1)}% of a core`;
tell(
  'a heartbeat of every datanode, and a turn',
  [loopMs],
  `under ${HEARTBEAT_INTERVAL_MS / 20} ms`,
  `${share(loopMs)} on the one thread; ${share(processMs)} (${processMs.toFixed(0)} ms) with waking up a hundred times a second and the engine's threads`,
);

console.log(
  `${nodeCount} datanodes, ${shardCount} shards, ${keyspaceCount} keyspaces, RF ${replication}; ${machine()}. CPU time; median of ${RUNS}.\n`,
);
console.log(markdownTable(['what', 'median', 'first', 'wanted', 'note'], rows));
