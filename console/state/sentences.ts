// The state of the cluster in words: one sentence for all of it, and one for each trouble.

import type { Health, HealthWord, Keyspace, Load, Node } from '../api/shapes.ts';
import { count, plural } from '../format/numbers.ts';
import { duration } from '../format/times.ts';

/** `doing` says what the cluster does about it, or what a person should do. */
export interface Trouble {
  readonly id: string;
  readonly level: 'bad' | 'warn';
  readonly what: string;
  readonly doing: string;
}

export function healthTitle(status: HealthWord): string {
  const titles = { green: 'Healthy', yellow: 'Degraded', red: 'Reads fail', unknown: 'Unknown' };
  return titles[status];
}

/** Health in one sentence. */
export function healthSentence(health: Health): string {
  const { nodes, replication, shards, status } = health;
  const serving = nodes.filter(({ state }) => state === 'SERVING').length;
  if (health.no_leader !== undefined) return health.no_leader.reason;
  if (nodes.length === 0) return 'No datanode has joined yet.';
  const copies = plural(replication.effective, 'copy', 'copies');
  const of = `${count(serving)} of ${plural(nodes.length, 'datanode')} serving`;
  switch (status) {
    case 'green':
      return `All ${plural(shards.total, 'shard')} have their ${copies}; ${of}.`;
    case 'yellow': {
      const missing = shards.under_replicated ?? 0;
      const few =
        missing > 0
          ? `${count(missing)} of ${plural(shards.total, 'shard')} have fewer than ${copies}`
          : 'something needs attention';
      return `Every key can be read; ${few}; ${of}.`;
    }
    case 'red':
      return `${plural(shards.uncovered.length, 'shard')} of ${count(shards.total)} cannot be read: no datanode that serves has a copy; ${of}.`;
    case 'unknown':
      return 'The master has just started and waits for the reports of the datanodes.';
  }
}

/** What is wrong, worst first, and what is being done about it. */
export function troublesOf(
  health: Health,
  keyspaces: readonly Keyspace[] = [],
  loads: readonly Load[] = [],
): Trouble[] {
  const troubles = [
    ...uncovered(health),
    ...health.nodes.flatMap((node) => nodeTroubles(node, health)),
    ...copyTroubles(health),
    ...health.reasons.map((reason): Trouble => ({
      id: `reason ${reason}`,
      level: 'warn',
      what: reason,
      doing: '',
    })),
    ...keyspaces.flatMap(keyspaceTroubles),
    ...loads.flatMap(loadTroubles),
  ];
  return troubles.sort((one, other) => rank(one) - rank(other));
}

const rank = ({ level }: Trouble): number => (level === 'bad' ? 0 : 1);

function uncovered({ shards }: Health): Trouble[] {
  if (shards.uncovered.length === 0) return [];
  const named = shards.uncovered.slice(0, 8).map(({ shard }) => shard);
  const more = shards.uncovered.length > named.length ? ' ...' : '';
  const keyspaces = [...new Set(shards.uncovered.flatMap((one) => one.keyspaces))].slice(0, 5);
  const of = keyspaces.length === 0 ? '' : ` of ${keyspaces.join(', ')}`;
  return [
    {
      id: 'uncovered',
      level: 'bad',
      what: `No copy can be read of shards ${named.join(', ')}${more}${of}.`,
      doing: 'Start the datanodes that hold them; reads of all other shards go on.',
    },
  ];
}

function nodeTroubles(node: Node, health: Health): Trouble[] {
  const { id, silent_ms: silent, state, trouble } = node;
  const found: Trouble[] = [];
  const since = silent === null || silent === 0 ? '' : ` for ${duration(silent)}`;
  if (state === 'DOWN') {
    const what = `Datanode ${id} has not answered${since}.`;
    found.push({ id: `down ${id}`, level: 'bad', what, doing: repairText(health) });
  } else if (state === 'SUSPECT') {
    const doing = 'Reads go to other copies first; it is asked again all the time.';
    found.push({
      id: `suspect ${id}`,
      level: 'warn',
      what: `Datanode ${id} has missed a heartbeat${since}.`,
      doing,
    });
  }
  if (trouble !== null && trouble !== '') {
    found.push({
      id: `trouble ${id}`,
      level: 'warn',
      what: `Datanode ${id}: ${trouble}`,
      doing: '',
    });
  }
  return found;
}

/** What is done about a datanode that is down. */
function repairText({ copies, shards }: Health): string {
  const running = copies?.running ?? 0;
  if (running > 0)
    return `Its shards are copied to others: ${plural(running, 'copy', 'copies')} in progress.`;
  if (shards.under_replicated === 0) {
    return 'Other datanodes have all of its shards. Start it again, or remove it.';
  }
  return 'Reads go to other copies. After the repair delay its shards are copied to others.';
}

function copyTroubles({ copies }: Health): Trouble[] {
  if (copies === null || copies.failing === 0) return [];
  const what = `${plural(copies.failing, 'copy', 'copies')} of segments failed.`;
  return [{ id: 'copies', level: 'warn', what, doing: 'Each is tried again after a pause.' }];
}

function keyspaceTroubles({ name, repairing }: Keyspace): Trouble[] {
  if (repairing === null) return [];
  const { attempts, error, needs_person: needsPerson } = repairing;
  return [
    {
      id: `keyspace ${name}`,
      level: needsPerson ? 'bad' : 'warn',
      what: `Keyspace ${name}: ${error}`,
      doing: `${plural(attempts, 'attempt')} so far, and more follow.${needsPerson ? ' Somebody should look at it.' : ''}`,
    },
  ];
}

const LOAD_ENDS: Readonly<Record<string, string>> = {
  REJECTED: 'was rejected',
  FAILED: 'failed',
  ABANDONED: 'was abandoned',
  INTERRUPTED: 'was interrupted',
};

/** The last load of a keyspace that was rejected or failed, until another one succeeds. */
function loadTroubles(load: Load, at: number, all: readonly Load[]): Trouble[] {
  const isLast = all.findIndex(({ keyspace }) => keyspace === load.keyspace) === at;
  const how = Object.hasOwn(LOAD_ENDS, load.state) ? LOAD_ENDS[load.state] : undefined;
  if (!isLast || how === undefined) return [];
  const what = `The last load of ${load.keyspace} ${how}: ${load.reason ?? 'no reason is known'}`;
  const doing = 'Readers still get the version that was current before.';
  return [{ id: `load ${load.id}`, level: 'warn', what, doing }];
}
