// HTTP lookups through the master compared with fastify + ioredis + redis-server with the same
// keys, driven by the same wrk, alternating.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineBench, REDIS_CLI, REDIS_SERVER, WRK } from '../bench.ts';
import type { Row, Table } from '../bench.ts';
import { median } from '../support/measure.ts';
import { freePort, run, start, startCluster, stop, tempFolder } from '../support/processes.ts';
import type { Started } from '../support/processes.ts';
import { generateRows, keyOf, linesOf, redisCommands } from '../support/rows.ts';

const ASKED_KEYS_MAX = 20_000;
const PEER = fileURLToPath(new URL('../peers/fastify-ioredis.js', import.meta.url));

interface Contender {
  readonly name: string;
  readonly port: number;
  readonly script: string;
}

interface Measured {
  readonly rate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** A script that makes wrk ask for random ones of these keys, the same for all servers. */
function wrkScript(folder: string, keys: readonly string[], prefix: string): string {
  const path = join(folder, `keys${prefix.length}.lua`);
  const list = keys.slice(0, ASKED_KEYS_MAX).map((key) => `"${key}"`);
  writeFileSync(
    path,
    `local keys = {${list.join(',')}}
request = function() return wrk.format("GET", "${prefix}" .. keys[math.random(#keys)]) end
done = function(summary, latency) io.write(string.format("RESULT %f %f %f %d\\n",
  summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
  summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout)) end
`,
  );
  return path;
}

function wrk({ port, script }: Contender, connections: number, seconds: number): Measured {
  const output = run('wrk', [
    ...['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-s', script],
    `http://127.0.0.1:${port}`,
  ]);
  const [rate, p50Ms, p99Ms, errors] = (/RESULT (.*)/.exec(output)?.[1] ?? '')
    .split(' ')
    .map(Number);
  if (errors !== 0) throw new Error(`wrk reported ${errors ?? 'unknown'} errors`);
  return { rate: rate ?? 0, p50Ms: p50Ms ?? 0, p99Ms: p99Ms ?? 0 };
}

async function startPeer(keysAndValues: readonly string[]): Promise<Started & { port: number }> {
  const redisPort = String(await freePort());
  await start('redis-server', ['--port', redisPort, '--save', ''], /eady to accept/);
  run('redis-cli', ['-p', redisPort, '--pipe'], redisCommands(keysAndValues));
  const peer = await start(process.execPath, [PEER, redisPort], /listening \d+/);
  return { ...peer, port: Number(/listening (\d+)/.exec(peer.printed)?.[1]) };
}

function compare(
  contenders: readonly Contender[],
  connections: number,
  rounds: number,
  seconds: number,
): Row[] {
  const results = contenders.map((): Measured[] => []);
  for (const contender of contenders) wrk(contender, connections, seconds);
  for (let round = 0; round < rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      results[index]?.push(wrk(contender, connections, seconds));
    }
  }
  const of = (all: readonly Measured[] = [], field: keyof Measured): number =>
    median(all.map((result) => result[field]));
  const base = of(results[0], 'rate');
  return contenders.map(({ name }, index) => {
    const all = results[index];
    const rate = of(all, 'rate');
    return {
      what: [String(connections), name],
      figures: [rate, rate / base, of(all, 'p50Ms'), of(all, 'p99Ms')],
    };
  });
}

export const bench = defineBench({
  about: 'HTTP lookups through the master: 3 datanodes, RF 2',
  needs: [WRK, REDIS_SERVER, REDIS_CLI],
  settings: {
    rows: { whole: 200_000, short: 5000 },
    rounds: { whole: 5, short: 1 },
    seconds: { whole: 4, short: 1 },
  },
  async run({ rounds, rows, seconds }) {
    const folder = tempFolder();
    const data = generateRows(join(folder, 'rows.data'), rows);
    const lines = linesOf(data);
    const keys = lines.map(keyOf);
    const peer = await startPeer(lines);
    const startStele = async (name: string, flags: readonly string[]): Promise<Contender> => {
      const load = ['--load', `bench=${data}`];
      const { master } = await startCluster(join(folder, name), [...load, ...flags]);
      const script = wrkScript(folder, keys, '/v1/keyspaces/bench/keys/');
      return { name: `Stele, ${name}`, port: master.http, script };
    };
    const contenders = [
      {
        name: 'fastify + ioredis + redis-server',
        port: peer.port,
        script: wrkScript(folder, keys, '/keys/'),
      },
      await startStele('cache on', []),
      await startStele('cache off', ['--cache-max', '0']),
    ];
    const table: Table = {
      caption: 'GET of keys of 36 bytes, values of 70 bytes; medians of the rounds.',
      labels: ['connections', 'stack'],
      columns: [
        { title: 'requests/s', digits: 0, better: 'higher' },
        { title: 'ratio', digits: 2, better: 'higher' },
        { title: 'p50 ms', digits: 2, better: 'lower' },
        { title: 'p99 ms', digits: 2, better: 'lower' },
      ],
      rows: [50, 1].flatMap((connections) => compare(contenders, connections, rounds, seconds)),
    };
    await stop(peer);
    return [table];
  },
});
