// A datanode's own HTTP port x every caller: its routes, and the connections that it is upgraded
// to.

import { createConnection } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { NO_TRAFFIC } from '../../base/process/http-traffic.ts';
import { startDatanodeHttp, upgradesOf } from '../../datanode/endpoints/http.ts';
import { DATANODE_ROUTES } from '../../datanode/endpoints/route-access.ts';
import { putSegment } from '../../loader/push/push.ts';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { LinkTarget } from '../../proto/ports.ts';
import type { DialIdentity } from '../../transport/dial-identity.ts';
import { ConnectedLookups } from '../../transport/lookup-channel.ts';
import { SegmentFetches } from '../../transport/segment-fetch.ts';
import { PushConnections } from '../../transport/segment-push.ts';
import { RespNode } from '../datanode/resp-node.ts';
import { until } from '../support/process/stele-process.ts';
import { askFor } from '../support/peers/lookups.ts';
import { TEST_UID, infoOf, segmentsOf } from '../support/segments/segments.ts';
import { CALLERS, STRANGERS, accessOfRoles, authorizationOf, refusalOf } from './roles.ts';
import type { Asked, Caller } from './roles.ts';
import { targetOf } from '../../transport/fetch-target.ts';

/** Written down once more. `details` is with ?verbose. */
const EXPECTED: Readonly<Record<string, { readonly plain: Asked; readonly details: Asked }>> = {
  'GET /livez': { plain: 'open', details: 'open' },
  'GET /readyz': { plain: 'open', details: 'user' },
  'GET /metrics': { plain: 'operate', details: 'operate' },
  'GET /v1/audit': { plain: 'admin', details: 'admin' },
};
/** Who may upgrade; the test of each below is about what may be asked afterwards. */
const UPGRADES: Readonly<Record<string, string>> = {
  '/v1/segments': 'stele-segments',
  '/v1/lookups': 'stele-lookups',
};
const UIDS = { geo: TEST_UID, prices: 'fedcba9876543210' } as const;
const KEYSPACES = ['geo', 'prices'] as const;

const access = accessOfRoles();
/** Others get no connection. */
const KNOWN = CALLERS.filter((caller) => !(STRANGERS as readonly Caller[]).includes(caller));

async function start(): Promise<{ readonly node: RespNode; readonly target: LinkTarget }> {
  const node = await RespNode.open(1);
  node.load([['k', 'v']]);
  node.change((view) => {
    const [first] = view.keyspaces;
    if (first === undefined) throw new Error('no keyspace');
    view.keyspaces = [
      { ...first, name: 'geo' },
      { ...first, name: 'prices', uid: UIDS.prices, index: 1 },
    ];
  });
  const http = await startDatanodeHttp({
    node: node.node,
    host: '127.0.0.1',
    port: 0,
    tls: undefined,
    access: await access,
    connectionsMax: 100,
    respTraffic: () => NO_TRAFFIC,
    notes: () => [],
  });
  onTestFinished(() => http.close());
  const address = { host: '127.0.0.1', httpPort: http.port, respPort: 0, grpcPort: 0 };
  return { node, target: { nodeId: 'n1', address } };
}

function identityOf(caller: Caller): DialIdentity {
  const authorization = authorizationOf(caller);
  return authorization === undefined ? {} : { authorization: () => authorization };
}

/** The code of what `call` throws; undefined if it throws nothing. */
async function codeOf(call: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await call();
    return undefined;
  } catch (thrown) {
    return thrown instanceof SteleError ? thrown.code : String(thrown);
  }
}

it('knows every route and every upgrade', async () => {
  const { node } = await start();
  expect(Object.keys(DATANODE_ROUTES).sort()).toEqual(Object.keys(EXPECTED).sort());
  const upgrades = upgradesOf(node.node, 1).map(({ path, protocol }) => [path, protocol]);
  expect(Object.fromEntries(upgrades)).toEqual(UPGRADES);
});

it('answers a route to those who may ask for it, and to nobody else', async () => {
  const { target } = await start();
  const ask = async (caller: Caller, url: string): Promise<number> => {
    const authorization = authorizationOf(caller);
    const headers = authorization === undefined ? {} : { authorization };
    const { httpPort } = target.address;
    return (await fetch(`http://127.0.0.1:${httpPort}${url}`, { headers })).status;
  };
  const wrong: string[] = [];
  const check = async (caller: Caller, url: string, asked: Asked): Promise<void> => {
    const refusal = refusalOf(caller, asked, undefined);
    const status = await ask(caller, url);
    const isRight =
      refusal === undefined
        ? status !== 401 && status !== 403
        : status === (refusal === 'UNAUTHENTICATED' ? 401 : 403);
    if (!isRight) wrong.push(`${caller} ${url}: ${status}`);
  };
  await Promise.all(
    CALLERS.flatMap((caller) =>
      Object.entries(EXPECTED).flatMap(([route, { details, plain }]) => {
        const [, url = ''] = route.split(' ');
        return [check(caller, url, plain), check(caller, `${url}?verbose`, details)];
      }),
    ),
  );
  expect(wrong).toEqual([]);
});

it('upgrades connections of everybody who is known, and of nobody else', async () => {
  const { target } = await start();
  const status = (caller: Caller, path: string, protocol: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = createConnection(target.address.httpPort, '127.0.0.1');
      const authorization = authorizationOf(caller);
      const header = authorization === undefined ? '' : `authorization: ${authorization}\r\n`;
      socket.write(
        `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: ${protocol}\r\n${header}\r\n`,
      );
      socket.once('error', reject);
      socket.once('data', (answer: Buffer) => {
        socket.destroy();
        resolve(answer.toString('latin1').slice(9, 12));
      });
    });
  const wrong: string[] = [];
  await Promise.all(
    CALLERS.flatMap((caller) =>
      Object.entries(UPGRADES).map(async ([path, protocol]) => {
        const expected = refusalOf(caller, 'user', undefined) === undefined ? '101' : '401';
        const found = await status(caller, path, protocol);
        if (found !== expected) wrong.push(`${caller} ${path}: ${found}`);
      }),
    ),
  );
  expect(wrong).toEqual([]);
});

it('answers lookups of keyspaces that the caller may read, and of no other', async () => {
  const { target } = await start();
  const wrong: string[] = [];
  await Promise.all(
    KNOWN.map(async (caller) => {
      for (const keyspace of KEYSPACES) {
        const channel = new ConnectedLookups(target, identityOf(caller));
        const isOver = (): boolean => channel.isConnected() || channel.failure !== undefined;
        await until('a connection or a failure', isOver);
        const about = { keyspaceUid: UIDS[keyspace], version: 1 };
        const code = await codeOf(() => askFor(channel, ['k'], about));
        channel.close();
        const expected = refusalOf(caller, 'read', keyspace);
        if (code !== expected) wrong.push(`${caller} ${keyspace}: ${code}`);
      }
    }),
  );
  expect(wrong).toEqual([]);
});

it('takes segments of keyspaces that the caller may load, and sends those that the caller may read', async () => {
  const { target } = await start();
  const wrong: string[] = [];
  const bytes = Buffer.from(new SharedArrayBuffer(1024));
  const into = targetOf(bytes);
  const options = { deadlineMs: 20_000 };
  await Promise.all(
    KNOWN.map(async (caller) => {
      const fetches = new SegmentFetches(target, identityOf(caller));
      for (const keyspace of KEYSPACES) {
        const wish = { keyspaceUid: UIDS[keyspace], segmentId: 'x', expectNode: 'n1' };
        const fetched = await codeOf(() => fetches.fetch(wish, into, options));
        const expectedFetch = refusalOf(caller, 'read', keyspace) ?? 'NOT_FOUND';
        if (fetched !== expectedFetch) wrong.push(`${caller} fetch ${keyspace}: ${fetched}`);
        const put = await codeOf(() => push(target, caller, keyspace));
        const expected = refusalOf(caller, 'load', keyspace);
        if (put !== expected) wrong.push(`${caller} put ${keyspace}: ${put}`);
        const pulled = await codeOf(() => push(target, caller, keyspace, ''));
        if (pulled !== (expected ?? 'NOT_FOUND')) {
          wrong.push(`${caller} pull ${keyspace}: ${pulled}`);
        }
        // The datanode's credentials would be used there.
        const sent = await codeOf(() => push(target, caller, keyspace, 'http://127.0.0.1:1'));
        const isOfCluster = refusalOf(caller, 'cluster', undefined) === undefined;
        const elsewhere = isOfCluster ? undefined : refusalOf(caller, 'operate', undefined);
        if (sent !== (expected ?? elsewhere ?? 'NOT_FOUND')) {
          wrong.push(`${caller} pull ${keyspace} from elsewhere: ${sent}`);
        }
      }
      fetches.close();
    }),
  );
  expect(wrong).toEqual([]);
});

async function push(
  { address, nodeId }: LinkTarget,
  caller: Caller,
  keyspace: keyof typeof UIDS,
  s3Endpoint?: string,
): Promise<void> {
  const how = s3Endpoint === undefined ? 'put' : 'pulled';
  const [segment] = segmentsOf([[`key of ${caller}, ${how}`, 'v']], 1, UIDS[keyspace]);
  if (segment === undefined) throw new Error('no segment');
  const view = { id: nodeId, incarnation: '', address, zone: '', state: NodeState.SERVING };
  const links = new PushConnections(view, identityOf(caller));
  const { signal } = new AbortController();
  const where = { url: 'file:///no/such/folder', s3Region: '', object: 'a.seg' };
  const outgoing =
    s3Endpoint === undefined
      ? { info: infoOf(segment), bytes: segment.bytes }
      : {
          info: infoOf(segment),
          bytes: undefined,
          source: { origin: { ...where, s3Endpoint, shardCount: 1, bytesPerSecondMax: 0 } },
        };
  try {
    const into = { keyspaceUid: UIDS[keyspace], loadId: 'l' };
    await putSegment(links, view, into, outgoing, signal);
  } finally {
    links.close(new SteleError('CANCELLED', 'The test is over.'));
  }
}
