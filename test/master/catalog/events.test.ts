// The record of who did what: each change has its event, in the same transaction and in the order
// of the changes.

import { describe, expect, it } from 'vitest';
import { currentActor, runAs } from '../../../master/callers/actor.ts';
import { applyChanges, Catalog, emptyCatalog } from '../../../master/catalog/catalog.ts';
import type { CatalogState, Transition } from '../../../master/catalog/catalog.ts';
import {
  raiseEpoch,
  recordNode,
  removeNode,
  setDrain,
  setVirtualNodes,
  startEpoch,
} from '../../../master/catalog/cluster-transitions.ts';
import { eventChanges, eventId, EVENTS, happeningsOf } from '../../../master/catalog/events.ts';
import {
  dropKeyspace,
  resumeKeyspace,
  setCache,
  setTier,
  setReplication,
  suspendKeyspace,
} from '../../../master/catalog/keyspace-transitions.ts';
import type { EventRecord, Happening } from '../../../master/catalog/records.ts';
import {
  dropVersion,
  promote,
  rollback,
  setKeep,
} from '../../../master/catalog/version-transitions.ts';
import { ChangeQueue } from '../../../master/metadata/change-queue.ts';
import { openEmbeddedMetadata } from '../../../master/metadata/embedded.ts';
import { wallClockIso } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/log.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { CatalogHistory, COPIES, KEYSPACE } from './catalog-history.ts';

const FRESH = { id: 'c', shardCount: 16, createdAt: '' };
const NODE = {
  id: 'node-0',
  incarnation: 'i',
  address: { host: 'h', httpPort: 1, respPort: 2, grpcPort: 3 },
  zone: '',
};

/** Records the events of each step. */
class RecordedHistory extends CatalogHistory {
  readonly seen: Happening[] = [];

  override run<Result>(transition: (state: CatalogState) => Transition<Result>): Result {
    const { changes, result } = transition(this.state);
    this.seen.push(...happeningsOf(this.state, changes));
    this.state = applyChanges(this.state, changes);
    return result;
  }

  /** `what from>to` of the events since the last call. */
  reported(): string[] {
    const reported = this.seen.map(({ from = '', to = '', what }) => `${what} ${from}>${to}`);
    this.seen.length = 0;
    return reported;
  }
}

describe('events', () => {
  it('tell of everything that operators and loads do, once, with what was before', () => {
    const history = new RecordedHistory();
    const reported = (transition: (state: CatalogState) => Transition<unknown>): string[] => {
      history.run(transition);
      return history.reported();
    };
    expect(reported((s) => startEpoch(s, FRESH, { term: 't1' }))).toEqual(['master-start 0>1']);
    expect(reported((s) => startEpoch(s, FRESH, { term: 't2', restored: true }))).toEqual([
      'restore 1>1001',
    ]);
    expect(reported((s) => raiseEpoch(s, 1005))).toEqual(['restore 1001>1006']);
    expect(reported((s) => setVirtualNodes(s, 4))).toEqual(['virtual-nodes 16>4']);
    expect(reported((s) => setVirtualNodes(s, 4))).toEqual([]);
    expect(reported((s) => setVirtualNodes(s, 400))).toEqual(['virtual-nodes 4>16']);
    const first = history.load().number;
    expect(history.seen.find(({ what }) => what === 'commit')).toMatchObject({
      keyspace: KEYSPACE,
      who: 'me@here',
    });
    const creation = history.seen.find(({ what }) => what === 'keyspace-created');
    expect(creation).toMatchObject({ who: 'me@here' });
    const began = ['keyspace-created >', 'load-begin >'];
    const done = [`load-committed >${first}`];
    expect(history.reported().sort()).toEqual([...began, `commit 0>${first}`, ...done].sort());
    const second = history.load().number;
    history.reported();
    expect(reported((s) => rollback(s, KEYSPACE, 0))).toEqual([`rollback ${second}>${first}`]);
    expect(reported((s) => promote(s, KEYSPACE, second, COPIES))).toEqual([
      `promote ${first}>${second}`,
    ]);
    expect(reported((s) => setKeep(s, KEYSPACE, 5))).toEqual(['keep 2>5']);
    expect(reported((s) => setReplication(s, KEYSPACE, 3))).toEqual(['replication 0>3']);
    expect(reported((s) => setCache(s, KEYSPACE, false))).toEqual(['cache on>off']);
    expect(reported((s) => setTier(s, KEYSPACE, 'disk'))).toEqual(['tier memory>disk']);
    expect(reported((s) => setTier(s, KEYSPACE, 'disk'))).toEqual([]);
    expect(reported((s) => suspendKeyspace(s, KEYSPACE))).toEqual(['suspend >']);
    expect(reported((s) => resumeKeyspace(s, KEYSPACE))).toEqual(['resume >']);
    expect(reported((s) => dropVersion(s, KEYSPACE, first))).toEqual([`drop-version ${first}>`]);
    expect(reported((s) => recordNode(s, NODE))).toEqual(['node-added >']);
    expect(reported((s) => recordNode(s, { ...NODE, incarnation: 'j' }))).toEqual([]);
    expect(reported((s) => setDrain(s, 'node-0', true))).toEqual(['drain >']);
    expect(reported((s) => setDrain(s, 'node-0', false))).toEqual(['node-resume >']);
    expect(reported((s) => removeNode(s, 'node-0'))).toEqual(['node-removed >']);
    expect(reported((s) => dropKeyspace(s, KEYSPACE, ''))).toEqual(['drop >']);
  });

  it('tell of a version that goes live with fewer copies than it should have', () => {
    const history = new RecordedHistory();
    const reasons = (): string[] =>
      history.seen
        .splice(0)
        .flatMap(({ reason, what }) => (reason === undefined ? [] : [`${what}: ${reason}`]));
    history.settle(history.begin(), 'first', 100, { copies: { least: 1, wanted: 3 } });
    expect(reasons().sort()).toEqual(['commit: 1 of 3 copies', 'load-committed: 1 of 3 copies']);
    history.load();
    expect(reasons()).toEqual([]);
    history.run((s) => rollback(s, KEYSPACE, 0));
    history.run((s) => promote(s, KEYSPACE, 2, { least: 1, wanted: 2 }));
    expect(reasons()).toEqual(['promote: 1 of 2 copies']);
  });

  it('are written with the change, and name who asked', async () => {
    const folder = tempDir();
    const metadata = await openEmbeddedMetadata(folder, silentLogger);
    const queue = new ChangeQueue({ log: silentLogger });
    const recorder = { ...EVENTS, currentActor, nowIso: wallClockIso };
    const catalog = await Catalog.load(metadata, queue, recorder);
    const seen: EventRecord[] = [];
    catalog.onEvent((event) => seen.push(event));
    await catalog.update((state) => startEpoch(state, FRESH, { term: 't1' }));
    const actor = { door: 'http', address: '10.0.0.7', who: '' } as const;
    await runAs(actor, () => catalog.update((state) => recordNode(state, NODE)));
    expect(seen).toMatchObject([
      { number: 1, what: 'master-start', door: 'master' },
      { number: 2, what: 'node-added', node: 'node-0', ...actor },
    ]);
    await expect(catalog.update((state) => setDrain(state, 'nobody', true))).rejects.toThrow();
    await metadata.close();
    const again = await openEmbeddedMetadata(folder, silentLogger);
    expect([...(await Catalog.load(again, queue)).state.event.values()]).toEqual(seen);
    await again.close();
  });

  it('are bounded: the oldest goes with one that is too many', () => {
    const record: EventRecord = {
      number: 10_001,
      at: '',
      what: 'keep',
      door: 'master',
      address: '',
      who: '',
    };
    const event = new Map([[eventId(1), { ...record, number: 1 }]]);
    const changes = eventChanges({ ...emptyCatalog(), event }, record);
    expect(changes.map(({ id, record: now }) => [id, now])).toEqual([
      [eventId(10_001), record],
      [eventId(1), undefined],
    ]);
  });
});
