import { beforeEach, expect, it } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { DatanodeLinks } from '../../routing/datanode-links.ts';
import type { DatanodeLink } from '../../proto/ports.ts';
import { FakeCluster } from '../support/peers/fake-cluster.ts';

interface FakeLink extends DatanodeLink {
  connected: boolean;
  closed: boolean;
}

const ID = 'datanode-0';
let nowMs: number;
let made: FakeLink[];
let links: DatanodeLinks;

beforeEach(() => {
  const cluster = new FakeCluster();
  nowMs = 1000;
  made = [];
  const connect = (): DatanodeLink => {
    const base = cluster.links(ID);
    if (base === undefined) throw new Error('offline');
    const link: FakeLink = {
      ...base,
      connected: false,
      closed: false,
      isConnected: () => link.connected,
      close: () => {
        link.closed = true;
      },
    };
    made.push(link);
    return link;
  };
  links = new DatanodeLinks({ connect }, () => nowMs);
  links.update(cluster.current());
});

it('returns a connecting link for the grace period, then not until it has connected', () => {
  expect(links.to(ID)).toBe(made[0]);
  expect(links.to(ID)).toBe(made[0]);
  nowMs += 199;
  expect(links.to(ID)).toBe(made[0]);
  nowMs += 1;
  expect(links.to(ID)).toBeUndefined();
  made[0]!.connected = true;
  expect(links.to(ID)).toBe(made[0]);
  made[0]!.connected = false;
  expect(links.to(ID)).toBe(made[0]);
  nowMs += 200;
  expect(links.to(ID)).toBeUndefined();
  expect(made).toHaveLength(1);
});

it('replaces a link that does not connect, repeatedly, and closes the old one', () => {
  for (let step = 0; step < 100; step++) {
    links.to(ID);
    nowMs += 100;
  }
  expect(made.length).toBeGreaterThanOrEqual(4);
  expect(made.length).toBeLessThanOrEqual(6);
  expect(made.map(({ closed }) => closed)).toEqual(made.map((_, at) => at < made.length - 1));
  made.at(-1)!.connected = true;
  expect(links.to(ID)).toBe(made.at(-1));
  links.close();
  expect(made.every(({ closed }) => closed)).toBe(true);
});

it('returns no link to a node that is not in the view', () => {
  expect(links.to('nobody')).toBeUndefined();
});

it('says why there is no link, where the lookups know', () => {
  expect(links.whyNot(ID)).toBeUndefined();
  links.to(ID);
  expect(links.whyNot(ID)).toBeUndefined();
  const failure = new SteleError('UNAVAILABLE', 'answered with HTTP status 403');
  Object.assign(made[0]!, { lookups: { ...made[0]!.lookups, failure } });
  expect(links.whyNot(ID)).toBe('answered with HTTP status 403');
});
