// What people do to a simulated cluster: operators, by the product's operations
// (master/operations/), loads, readers.

import { SteleError } from '../../../base/errors.ts';
import type { LeaderCalls } from '../../../proto/operations.ts';
import { askMaster } from '../cluster/ask-master.ts';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import { Tier } from '../../../proto/gen/stele/v1/view.ts';
import type { DatanodeLink, LookupTargetRef } from '../../../proto/ports.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { SimDatanode } from '../cluster/datanode.ts';
import { absentKeyOf, keysOf, SHARDS } from '../cluster/segments.ts';
import { SimLinks } from '../world/links.ts';
import { anyDatanode } from './faults.ts';
import { keyspaceAtRandom, pickAction } from './pick.ts';
import type { Action } from './pick.ts';

const DATANODES_MAX = 6;
const DEADLINE_MS = 12_000;

const OPERATIONS: readonly Action[] = [
  [6, 'load', (sim) => sim.loader.load(keyspaceAtRandom(sim), 'REPLACE')],
  [6, 'append', (sim) => sim.loader.load(keyspaceAtRandom(sim), 'APPEND')],
  [2, 'drain', (sim) => withNode(sim, (operations, id) => operations.drainNode(id))],
  [3, 'resume', (sim) => withNode(sim, (operations, id) => operations.resumeNode(id))],
  [1, 'join', joinNode],
  [1, 'remove', removeDead],
  [
    1,
    'suspend',
    (sim) => onKeyspace(sim, (operations, about) => operations.suspendKeyspace(about)),
  ],
  [2, 'wake', (sim) => onKeyspace(sim, (operations, about) => operations.resumeKeyspace(about))],
  [2, 'tier', changeTier],
  [1, 'drop', dropOne],
  [1, 'replicate', replicate],
  [1, 'another ring', anotherRing],
  [2, 'swap under an append', swapUnderAppend],
  [2, 'roll back', rollBack],
  [1, 'promote', promoteOne],
  [1, 'keep', keepSome],
];

/** Of a cluster with a deep store. */
const CLEAN: Action = [
  3,
  'clean the deep store',
  (sim) => operate(sim, (operations) => operations.cleanArchive({ dryRun: false })),
];

/** Of several masters. */
const STEP_DOWN: Action = [
  2,
  'step down',
  (sim) => operate(sim, (operations) => operations.stepDown()),
];

export function operateAtRandom(sim: Cluster): void {
  const ofMasters = sim.several === undefined ? [] : [STEP_DOWN];
  const ofBucket = sim.bucket === undefined ? [] : [CLEAN];
  pickAction(sim, [...OPERATIONS, ...ofMasters, ...ofBucket]);
}

/** An operator's word; refusals are part of the game. */
export function operate(
  sim: Cluster,
  operation: (operations: LeaderCalls['operations']) => Promise<unknown>,
  done: () => void = () => undefined,
): void {
  askMaster(sim, sim.operator, 'operator', DEADLINE_MS, ({ operations }) =>
    operation(operations),
  ).then(done, (thrown: unknown) => {
    if (thrown instanceof SteleError) sim.note(`refused: ${thrown.code}`);
    else sim.judge.fail(String(thrown));
  });
}

function onKeyspace(
  sim: Cluster,
  operation: (
    operations: LeaderCalls['operations'],
    about: { keyspace: string },
  ) => Promise<unknown>,
): void {
  const keyspace = keyspaceAtRandom(sim);
  operate(sim, (operations) => operation(operations, { keyspace }));
}

function withNode(
  sim: Cluster,
  operation: (operations: LeaderCalls['operations'], id: string) => Promise<unknown>,
): void {
  const id = sim.random.pick([...sim.metadata.stored.catalog.node.keys()]);
  if (id !== undefined) operate(sim, (operations) => operation(operations, id));
}

function joinNode(sim: Cluster): void {
  if (sim.datanodes.size >= DATANODES_MAX) return;
  const node = new SimDatanode(sim, sim.datanodes.size + 1);
  sim.datanodes.set(node.id, node);
  node.start();
}

/**
 * The product refuses it for a node that runs, and for one that may have the only copy of
 * something.
 */
function removeDead(sim: Cluster): void {
  const nodes = [...(sim.master.plane?.leader.world.nodes.values() ?? [])];
  const dead = nodes.find(({ liveness }) => liveness === 'DOWN');
  if (dead !== undefined) operate(sim, (operations) => operations.removeNode(dead.id, false));
}

function dropOne(sim: Cluster): void {
  const keyspace = keyspaceAtRandom(sim);
  const found = [...sim.metadata.stored.catalog.keyspace.values()];
  const known = found.filter(({ name, state }) => name === keyspace && state !== 'DELETING');
  // Also if no caller learns whether it was done.
  for (const { uid } of known) sim.dropped.add(uid);
  operate(sim, (operations) => operations.dropKeyspace({ keyspace }));
}

/** Never to a single copy: then one fault is allowed to lose it. */
function replicate(sim: Cluster): void {
  const replication = sim.random.pick([0, 2, 3, 4]) ?? 0;
  onKeyspace(sim, (operations, about) => operations.setReplication({ ...about, replication }));
}

function changeTier(sim: Cluster): void {
  const tier = sim.random.pick([Tier.MEMORY, Tier.DISK]) ?? Tier.MEMORY;
  onKeyspace(sim, (operations, about) => operations.setTier({ ...about, tier }));
}

/** With the next start of the master. */
function anotherRing(sim: Cluster): void {
  sim.virtualNodes = sim.random.int(1, SHARDS + 1);
}

function rollBack(sim: Cluster): void {
  onKeyspace(sim, (operations, about) => operations.rollback({ ...about, to: 0 }));
}

/** Another version becomes current while an append is on its way. */
function swapUnderAppend(sim: Cluster): void {
  const keyspace = keyspaceAtRandom(sim);
  sim.loader.load(keyspace, 'APPEND');
  sim.clock.after(sim.random.int(20, 120), undefined, () =>
    operate(sim, (operations) => operations.rollback({ keyspace, to: 0 })),
  );
}

function promoteOne(sim: Cluster): void {
  const to = sim.random.int(1, 6);
  onKeyspace(sim, (operations, about) => operations.promote({ ...about, to }));
}

function keepSome(sim: Cluster): void {
  const keep = sim.random.int(2, 5);
  onKeyspace(sim, (operations, about) => operations.setKeep({ ...about, keep }));
}

/** Cancels the loads that still run, for which no loader waits. */
export function cancelLoads(sim: Cluster): void {
  for (const { id, state } of sim.metadata.stored.catalog.load.values()) {
    if (state !== 'RUNNING') continue;
    operate(sim, (operations) => operations.cancelLoad({ loadId: id, reason: '' }));
  }
}

/** One read, by somebody who goes by the view of some datanode, which may be an old one. */
export function readAtRandom(sim: Cluster): void {
  const { datanodes, random } = sim;
  const known = anyDatanode(sim, ({ node }) => node?.cluster.view !== undefined);
  const view = known?.node?.cluster.view;
  const keyspace = random.pick(view?.keyspaces ?? []);
  const version = random.chance(0.8)
    ? keyspace?.currentVersion
    : random.pick(keyspace?.versions ?? []);
  if (view === undefined || keyspace === undefined || !version) return;
  const shard = random.int(0, SHARDS);
  const route = view.routes[shard]?.nodes ?? [];
  const node = random.chance(0.8)
    ? datanodes.get(view.nodes[random.pick(route) ?? -1]?.id ?? '')
    : anyDatanode(sim, () => true);
  if (node === undefined) return;
  const key = random.chance(0.9) ? (random.pick(keysOf(shard)) ?? '') : absentKeyOf(shard);
  const target = { keyspaceUid: keyspace.uid, version };
  // The judge hears the answer where it is given.
  read(sim, node, target, key, () => undefined);
}

/**
 * All keys of the current versions, of every node that the master names for their shard. What is
 * returned gets those that no node has answered yet.
 */
export function readEverything(sim: Cluster): Set<string> {
  const unanswered = new Set<string>();
  const view = sim.master.plane?.leader.current();
  for (const { currentVersion: version, suspended = false, uid } of view?.keyspaces ?? []) {
    if (version === 0 || suspended) continue;
    for (const [shard, { nodes }] of (view?.routes ?? []).entries()) {
      const readers = nodes.flatMap((index) => {
        const node = sim.datanodes.get(view?.nodes[index]?.id ?? '');
        return node === undefined ? [] : [node];
      });
      for (const key of [...keysOf(shard), absentKeyOf(shard)]) {
        const name = `${key} of ${uid}/${version}`;
        unanswered.add(name);
        for (const node of readers) {
          read(sim, node, { keyspaceUid: uid, version }, key, (status) => {
            if (status !== LookupStatus.UNAVAILABLE) unanswered.delete(name);
          });
        }
      }
    }
  }
  return unanswered;
}

const links = new WeakMap<SimDatanode, DatanodeLink>();

function read(
  { network, reader }: Cluster,
  node: SimDatanode,
  target: LookupTargetRef,
  key: string,
  onAnswer: (status: LookupStatus) => void,
): void {
  let link = links.get(node);
  if (link === undefined) {
    link = new SimLinks(reader, network, () => node).connect({
      nodeId: node.id,
      address: node.address,
    });
    links.set(node, link);
  }
  const keys = [{ target, key: Buffer.from(key) }];
  link.lookups.send({ keys, onAnswer, onFailure: () => undefined });
}
