// Malformed gRPC messages, frames and connections: each causes an error or a close, and nothing
// else.

import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { cutAt } from '../../resp/split.ts';
import type { TestCluster } from '../../support/process/cluster.ts';
import {
  converse,
  converseMany,
  expectUnharmed,
  residentBytes,
  startTarget,
} from '../../support/mutations/conversations.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import { bomb, GrpcMutator } from '../../support/mutations/mutated-grpc.ts';
import { RawCalls } from '../../support/mutations/raw-calls.ts';
import { postLookup } from '../../support/readers/sources.ts';
import { until } from '../../support/process/stele-process.ts';
import { wireMethods } from '../../support/mutations/wire-messages.ts';
import type { WireMethod } from '../../support/mutations/wire-messages.ts';

const CALLS = SHORT ? 2000 : 200_000;
const CONNECTIONS = SHORT ? 1000 : 100_000;
const PATIENCE_MS = 50;
vi.setConfig({ testTimeout: SHORT ? 120_000 : 2_400_000 });
/** Names for reads. */
const THERE = ['default', 'node-0', 'key-1', 'nowhere', ''];
/** Names for changes, which must not match anything. */
const NOT_THERE = ['nowhere', 'nobody', ''];
const READS = /\/(Lookup|Get\w+|WatchView|List\w+|DiffVersions|Explain|ScanKeys)$/;
/** Registers a datanode under any name, which is not an error. */
const BEGINS = /\/(RegisterNode)$/;
/** For a datanode whose cluster must survive; an order may be carried out. */
const ORDERS =
  /\/(Heartbeat|ListHoldings|ApplyView|PutManifest|\w+Segments|MeasureDeltas|DiffShards|Restart)$/;
const MiB = 1024 ** 2;
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startTarget();
});

afterAll(() => cluster?.close());

const MASTER = ['ClusterService', 'LoadService', 'LookupService']
  .flatMap(wireMethods)
  .filter(({ path }) => !BEGINS.test(path));
const DATANODE = ['DatanodeService', 'LookupService'].flatMap(wireMethods);

const addressOf = (id: string) => (id === 'master' ? cluster.master : cluster.node(id));

/** Sends mutated calls to one process; returns how often each status came. */
async function callMany(
  id: string,
  count: number,
  mutator: GrpcMutator,
  methods: readonly WireMethod[],
): Promise<Map<string, number>> {
  const calls = new RawCalls(addressOf(id).grpc);
  const reads = methods.filter(({ path }) => READS.test(path));
  const changes = methods.filter(({ path }) => !READS.test(path));
  const seen = new Map<string, number>();
  await converseMany(count, async () => {
    const isChange = changes.length > 0 && mutator.chance(2);
    const call = isChange ? mutator.call(changes, NOT_THERE) : mutator.call(reads, THERE);
    const { grpcStatus = 'none', httpStatus, steleCode = 'none' } = await calls.call(call);
    const answer = `${httpStatus} ${grpcStatus} ${steleCode}`;
    seen.set(answer, (seen.get(answer) ?? 0) + 1);
    // A client must not be able to cause an internal error.
    if (steleCode === 'INTERNAL') {
      throw new Error(`${answer} to ${JSON.stringify(call.headers)} ${call.body.toString('hex')}`);
    }
  });
  calls.close();
  return seen;
}

async function expectAnswers(id: string): Promise<void> {
  const { values } = await postLookup(cluster.url(''), 'default', ['key-1', 'none']);
  expect(values.map(String)).toEqual(['value-1', 'null']);
  expect(cluster.log(id)).not.toMatch(/"level":(50|60)/);
}

test.each([
  ['master', MASTER],
  ['node-0', DATANODE.filter(({ path }) => !ORDERS.test(path))],
] as const)(`${CALLS} wrong calls leave %s as it was`, async (id, methods) => {
  console.log(`  seed ${SEED}`);
  const mutator = new GrpcMutator(SEED);
  const seen = new Map<string, number>();
  await expectUnharmed(addressOf(id).pid, async (share) => {
    const some = await callMany(id, CALLS * share, mutator, methods);
    for (const [answer, count] of some) seen.set(answer, (seen.get(answer) ?? 0) + count);
  });
  console.log(`  ${JSON.stringify(Object.fromEntries(seen))}`);
  expect(seen.get('200 0 none')).toBeGreaterThan(0);
  expect(seen.size).toBeGreaterThan(5);
  await expectAnswers(id);
});

test.each(['master', 'node-0'])(
  `${CONNECTIONS} connections that are not quite HTTP/2 leave %s as it was`,
  async (id) => {
    const { grpc, pid } = addressOf(id);
    const mutator = new GrpcMutator(SEED + 1);
    await expectUnharmed(pid, (share) =>
      converseMany(CONNECTIONS * share, async () => {
        const bytes = mutator.connection();
        await converse(grpc, cutAt(bytes, mutator.cuts(bytes.length + 1)), {
          patienceMs: PATIENCE_MS,
        });
      }),
    );
    await expectAnswers(id);
  },
);

test.each(['master', 'node-0'])(
  'a small message that would be a large one is refused by %s',
  async (id) => {
    const { grpc, pid } = addressOf(id);
    const before = residentBytes(pid);
    const calls = new RawCalls(grpc);
    const call = bomb('/stele.v1.LookupService/Lookup', 256 * MiB);
    for (let round = 0; round < 5; round++) {
      const { grpcStatus } = await calls.call(call, 20_000);
      expect(grpcStatus).toBe('8');
    }
    calls.close();
    // Even one of them would need more memory than that.
    expect(residentBytes(pid) - before).toBeLessThan(256 * MiB);
    await expectAnswers(id);
  },
);

test(`${CALLS} wrong orders, some of which may be carried out, do not end a datanode`, async () => {
  const { http, pid } = addressOf('node-0');
  const mutator = new GrpcMutator(SEED + 2);
  const orders = DATANODE.filter(({ path }) => ORDERS.test(path));
  await expectUnharmed(pid, async (share) => {
    await callMany('node-0', CALLS * share, mutator, [...orders, ...DATANODE]);
  });
  await until('it to say that it lives', async () => {
    const { status } = await fetch(`http://127.0.0.1:${http}/livez`);
    return status === 200;
  });
  expect(cluster.log('node-0')).not.toMatch(/"level":(50|60)/);
});
