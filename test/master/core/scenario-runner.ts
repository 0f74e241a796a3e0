// Scenarios of the control plane as text: commands, and below each what it must lead to.
//
//   # A sentence that says what the scenario shows.
//   join a b c
//   load prices
//   ----
//   version 1
//
//   fail b
//   turn
//   ----
//   view 4: yellow, ready
//
// Commands up to `----` are run together; the lines after it, up to an empty one, are what they say.
// STELE_SCENARIOS=write writes what they say now instead of comparing; read it before you keep it.
//
//   join ID.. [zone=Z] [host=H] [weight=W]   new datanodes, empty, serving
//   load KS [on=ID,ID] [bytes=N]  a committed load; its segments are on the owners, or on those named
//   begin KS                      a load that goes on
//   beat [ID..]                   heartbeats and lists of those named, or of all that are not failed
//   apply [ID..]                  they take the present view
//   fail ID.. / back ID..         a process stops answering, answers again
//   miss ID [N]                   N heartbeats that were not answered
//   restart ID [verifying|empty] [weight=W]  another run of the process
//   served ID                     it has verified its files
//   lose ID KS/V SHARD..          segments are found to be bad, or gone
//   stray ID KS/V SHARD..         segments that it was not ordered to hold
//   refuse ID KS/V SHARD.. why    copies to it failed
//   stuck ID KS why / unstuck ID  it cannot bring a resumed keyspace back into memory
//   wait DURATION                 time passes (no heartbeats)
//   pass DURATION                 time passes second by second, with heartbeats, views, turns, orders
//   turn / do [unheard]           a turn of the control plane; what it ordered is carried out (before a heartbeat)
//   settle                        beats, views, turns and orders until there is nothing to do
//   drain ID, resume ID, remove ID, suspend KS, wake KS, drop KS, rollback KS [N], keep KS N, copies KS N,
//   drop-version KS N, restart-master [virtual-nodes=N]
//   nodes, health, routes, keyspaces, loss ID, owners, explain KS SHARD   say what there is

import { parseDurationMs } from '../../../base/units.ts';
import { setDrain } from '../../../master/catalog/cluster-transitions.ts';
import {
  dropKeyspace,
  resumeKeyspace,
  setReplication,
  suspendKeyspace,
} from '../../../master/catalog/keyspace-transitions.ts';
import { dropVersion, rollback, setKeep } from '../../../master/catalog/version-transitions.ts';
import { lossOfRemoval } from '../../../master/core/questions/removal.ts';
import { NodeState } from '../../../proto/gen/stele/v1/view.ts';
import { ScenarioCluster } from './scenario-cluster.ts';
import type { ScenarioNode } from './scenario-cluster.ts';
import {
  describeCopies,
  describeHealth,
  describeKeyspaces,
  describeNodes,
  describeOrders,
  describeRoutes,
  ranges,
} from './scenario-report.ts';

const SETTLE_TURNS_MAX = 120;
/** Longer than the retire delay, so that nothing waits any more. */
const QUIET_SECONDS = 7;

interface Step {
  readonly commands: readonly string[];
  readonly expected: readonly string[];
}

export interface Scenario {
  /** The comment at the top of the scenario. */
  readonly title: string;
  readonly steps: readonly Step[];
}

export function parseScenario(text: string): Scenario {
  const blocks = text
    .split(/\n\s*\n/)
    .map((block) => block.split('\n').filter((line) => line !== ''));
  const title = (blocks[0] ?? []).filter((line) => line.startsWith('#'));
  const steps = blocks.flatMap((lines) => {
    const at = lines.indexOf('----');
    const commands = (at < 0 ? lines : lines.slice(0, at)).filter((line) => !line.startsWith('#'));
    return commands.length === 0 ? [] : [{ commands, expected: at < 0 ? [] : lines.slice(at + 1) }];
  });
  return { title: title.map((line) => line.slice(2)).join(' '), steps };
}

/** The output of each step of the scenario. */
export function runScenario({ steps }: Scenario): string[][] {
  const run = new ScenarioRun();
  return steps.map(({ commands }) => commands.flatMap((command) => run.say(command)));
}

/** The text with `said` below its commands. */
export function rewriteScenario(text: string, said: readonly (readonly string[])[]): string {
  let step = 0;
  const blocks = text.trimEnd().split(/\n\s*\n/);
  const written = blocks.map((block) => {
    const lines = block.split('\n').filter((line) => line !== '');
    const at = lines.indexOf('----');
    const head = at < 0 ? lines : lines.slice(0, at);
    if (head.every((line) => line.startsWith('#'))) return head.join('\n');
    const says = said[step++] ?? [];
    return [...head, ...(says.length === 0 ? [] : ['----', ...says])].join('\n');
  });
  return `${written.join('\n\n')}\n`;
}

class ScenarioRun {
  #cluster = new ScenarioCluster({ shards: 4, replication: 2, repairDelayMs: 10_000 });
  readonly #failed = new Set<string>();

  say(command: string): string[] {
    const [verb = '', ...words] = command.trim().split(/\s+/);
    const plain = words.filter((word) => !word.includes('='));
    const option = (name: string): string | undefined =>
      words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
    try {
      return this.#run(verb, plain, option);
    } catch (thrown) {
      return [`refused: ${thrown instanceof Error ? thrown.message : String(thrown)}`];
    }
  }

  #run(
    verb: string,
    words: readonly string[],
    option: (name: string) => string | undefined,
  ): string[] {
    const said =
      this.#onCluster(verb, option) ??
      this.#onNodes(verb, words, option) ??
      this.#onKeyspaces(verb, words, option) ??
      this.#onTime(verb, words) ??
      this.#onQuestion(verb, words);
    if (said === undefined) throw new Error(`'${verb}' is no command`);
    return said;
  }

  #onCluster(verb: string, option: (name: string) => string | undefined): string[] | undefined {
    if (verb === 'restart-master') {
      this.#cluster.restartMaster(Number(option('virtual-nodes') ?? 0));
      return [];
    }
    if (verb !== 'cluster') return undefined;
    this.#cluster = new ScenarioCluster({
      shards: Number(option('shards') ?? 4),
      replication: Number(option('copies') ?? 2),
      repairDelayMs: parseDurationMs(option('delay') ?? '10s'),
    });
    return [];
  }

  #onNodes(
    verb: string,
    words: readonly string[],
    option: (name: string) => string | undefined,
  ): string[] | undefined {
    const cluster = this.#cluster;
    const [id = '', ...more] = words;
    switch (verb) {
      case 'join':
        for (const one of words)
          cluster.join(
            one,
            option('host') ?? `host-${one}`,
            option('zone') ?? '',
            Number(option('weight') ?? 1),
          );
        return [];
      case 'fail':
        for (const one of words) this.#failed.add(this.#node(one).id);
        return [];
      case 'back':
        for (const one of words) this.#failed.delete(one);
        return this.#beat(words);
      case 'beat':
        return this.#beat(words);
      case 'apply':
        for (const node of this.#alive(words)) cluster.takeView(node);
        return [];
      case 'miss':
        for (let times = Number(more[0] ?? 1); times > 0; times--) {
          cluster.dispatch({ kind: 'missed', nodeId: id });
        }
        return [];
      case 'restart':
        this.#node(id).weight = Number(option('weight') ?? this.#node(id).weight);
        return this.#restart(this.#node(id), more[0]);
      case 'served':
        this.#node(id).state = NodeState.SERVING;
        return this.#beat([id]);
      case 'lose':
        return this.#lose(this.#node(id), more);
      case 'stray':
        return this.#stray(this.#node(id), more);
      case 'refuse':
        return this.#refuse(this.#node(id), more);
      case 'stuck':
        this.#node(id).resumeFailures = [
          { keyspaceUid: more[0] ?? '', reason: more.slice(1).join(' ') },
        ];
        return [];
      case 'unstuck':
        this.#node(id).resumeFailures = [];
        return [];
      case 'drain':
      case 'resume':
        cluster.change((state) => setDrain(state, id, verb === 'drain'));
        return [];
      case 'remove':
        cluster.remove(id);
        return [];
      default:
        return undefined;
    }
  }

  #onKeyspaces(
    verb: string,
    [name = '', number = '0']: readonly string[],
    option: (name: string) => string | undefined,
  ): string[] | undefined {
    const cluster = this.#cluster;
    switch (verb) {
      case 'load': {
        const version = cluster.load(
          name,
          option('on')?.split(','),
          Number(option('bytes') ?? 100),
        );
        return [...this.#beat([]), `version ${version}`];
      }
      case 'begin':
        return [`begins ${cluster.beginLoad(name)}`];
      case 'suspend':
        cluster.change((state) => suspendKeyspace(state, name));
        return [];
      case 'wake':
        cluster.change((state) => resumeKeyspace(state, name));
        return [];
      case 'drop':
        cluster.change((state) => dropKeyspace(state, name, ''));
        return [];
      case 'drop-version':
        cluster.change((state) => dropVersion(state, name, Number(number)));
        return [];
      case 'rollback': {
        const { from, to } = cluster.change((state) => rollback(state, name, Number(number)));
        return [`from ${from} to ${to}`];
      }
      case 'copies':
        cluster.change((state) => setReplication(state, name, Number(number)));
        return [];
      case 'keep': {
        const gone = cluster.change((state) => setKeep(state, name, Number(number)));
        return gone.length === 0 ? [] : [`no longer kept: ${gone.join(' ')}`];
      }
      default:
        return undefined;
    }
  }

  #onTime(verb: string, [first = '']: readonly string[]): string[] | undefined {
    const cluster = this.#cluster;
    switch (verb) {
      case 'wait':
        cluster.nowMs += parseDurationMs(first);
        return [];
      case 'pass':
        for (let leftMs = parseDurationMs(first); leftMs > 0; leftMs -= 1000) this.#second();
        return [];
      case 'turn':
        return describeOrders(cluster.turn());
      case 'do':
        cluster.carryOut();
        return first === 'unheard' ? [] : this.#beat([]);
      case 'settle':
        return this.#settle();
      default:
        return undefined;
    }
  }

  #onQuestion(verb: string, [first = '', second = '0']: readonly string[]): string[] | undefined {
    const { state } = this.#cluster;
    switch (verb) {
      case 'nodes':
        return describeNodes(state);
      case 'health':
        return describeHealth(state);
      case 'routes':
        return describeRoutes(state);
      case 'keyspaces':
        return describeKeyspaces(state);
      case 'explain':
        return describeCopies(state, first, Number(second));
      case 'owners':
        return state.world.owners.map((ids, shard) => `${shard}: ${ids.join(' ')}`);
      case 'loss': {
        const losses = lossOfRemoval(state.world, first);
        if (losses.length === 0) return ['nothing would be lost'];
        return losses.map(
          ({ keyspace, shards, version }) => `would lose ${keyspace}/${version} ${ranges(shards)}`,
        );
      }
      default:
        return undefined;
    }
  }

  /** One second: two heartbeats of each node, its view, a turn, and what that orders. */
  #second(): string[] {
    const cluster = this.#cluster;
    cluster.nowMs += 1000;
    for (const id of this.#failed) {
      cluster.dispatch({ kind: 'missed', nodeId: id });
      cluster.dispatch({ kind: 'missed', nodeId: id });
    }
    this.#beat([]);
    const said = describeOrders(cluster.turn());
    const lost = new Set(this.#failed);
    if (cluster.orders !== undefined) {
      const copies = cluster.orders.copies.filter(({ target }) => !lost.has(target));
      const drops = cluster.orders.drops.filter(({ node }) => !lost.has(node));
      cluster.orders = { ...cluster.orders, copies, drops };
    }
    for (const node of this.#alive([])) cluster.takeView(node);
    cluster.carryOut();
    this.#beat([]);
    return said;
  }

  #settle(): string[] {
    if (this.#cluster.orders !== undefined) this.#cluster.carryOut();
    let quiet = 0;
    for (let turns = 1; turns <= SETTLE_TURNS_MAX; turns++) {
      const said = this.#second();
      quiet = said.length === 1 && said[0] === 'nothing to do' ? quiet + 1 : 0;
      if (quiet === QUIET_SECONDS) return [];
    }
    throw new Error(`not settled after ${SETTLE_TURNS_MAX} s`);
  }

  #beat(ids: readonly string[]): string[] {
    for (const node of this.#alive(ids)) this.#cluster.heartbeat(node);
    return [];
  }

  #restart(node: ScenarioNode, how: string | undefined): string[] {
    node.run++;
    node.revision = 1;
    if (how === 'empty') node.segments.clear();
    node.state = how === 'verifying' ? NodeState.INITIALIZING : NodeState.SERVING;
    this.#failed.delete(node.id);
    this.#cluster.register(node);
    return this.#beat([node.id]);
  }

  #lose(node: ScenarioNode, [version = '', ...shards]: readonly string[]): string[] {
    const [uid, number] = version.split('/');
    for (const shard of shards) node.segments.delete(`${uid} ${shard.padStart(5, '0')}-v${number}`);
    node.revision++;
    return this.#beat([node.id]);
  }

  #stray(node: ScenarioNode, [version = '', ...shards]: readonly string[]): string[] {
    const [uid, number] = version.split('/');
    for (const shard of shards) node.segments.add(`${uid} ${shard.padStart(5, '0')}-v${number}`);
    node.revision++;
    return this.#beat([node.id]);
  }

  #refuse(node: ScenarioNode, [version = '', ...words]: readonly string[]): string[] {
    const [keyspaceUid = '', number] = version.split('/');
    const shards = words.filter((word) => /^\d+$/.test(word));
    const reason = words.filter((word) => !/^\d+$/.test(word)).join(' ');
    const segmentIds = shards.map((shard) => `${shard.padStart(5, '0')}-v${number}`);
    node.failures = segmentIds.map((segmentId) => ({ keyspaceUid, segmentId, reason }));
    return this.#beat([node.id]);
  }

  #alive(ids: readonly string[]): ScenarioNode[] {
    const nodes = [...this.#cluster.nodes.values()].filter(({ id }) => this.#isFollowed(id));
    return nodes.filter(
      ({ id }) => !this.#failed.has(id) && (ids.length === 0 || ids.includes(id)),
    );
  }

  #isFollowed(id: string): boolean {
    return this.#cluster.state.nodes.has(id);
  }

  #node(id: string): ScenarioNode {
    const node = this.#cluster.nodes.get(id);
    if (node === undefined) throw new Error(`there is no datanode ${id}`);
    return node;
  }
}
