// A cluster with TLS everywhere, each process with a certificate of its own, and everybody who
// reads it.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import * as ioredis from 'ioredis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { SteleClient, connectAdmin } from '../../../embedded/library.ts';
import { steleShared } from '../../support/process/shared-process.ts';
import {
  ANY_PORTS,
  SteleProcess,
  flags,
  stele,
  until,
} from '../../support/process/stele-process.ts';
import type { Addresses } from '../../support/process/stele-process.ts';
import { hasTool, pythonWith, runTool } from '../../support/tools.ts';

const HOST = '127.0.0.1';
const NAMES = ['master', 'node-0', 'node-1', 'node-2'];
const HALF_OPEN = 1000;
const folder = mkdtempSync(join(tmpdir(), 'stele-tls-'));
const file = (name: string): string => join(folder, name);
const ca = file('ca.crt');
const strangeCa = join(folder, 'elsewhere', 'ca.crt');
const processes = new Map<string, SteleProcess>();
const trusting = flags({ 'tls-ca': ca });
let grpc = '';

async function certs(...words: string[]): Promise<void> {
  const { code, stderr } = await steleShared(['certs', ...words, '--dir', folder]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
}

async function start(name: string, words: readonly string[]): Promise<void> {
  const own = flags({ 'tls-cert': file(`${name}.crt`), 'tls-key': file(`${name}.key`) });
  const options = { env: { STELE_TLS_CA: ca } };
  const dataDir = flags({ 'data-dir': join(folder, 'data', name) });
  const started = new SteleProcess([...words, ...dataDir, ...ANY_PORTS, ...own], options);
  processes.set(name, started);
  await started.printed(/ grpc \S+:\d+\n/);
}

function at(name: string): Addresses {
  const [addresses] = processes.get(name)?.addresses() ?? [];
  if (addresses === undefined) throw new Error(`${name} has printed no address`);
  return addresses;
}

beforeAll(async () => {
  await certs('init');
  await Promise.all([
    ...NAMES.map((name) => certs('node', HOST, 'localhost', '--name', name)),
    certs('client', 'admin'),
    steleShared(['certs', 'init', '--dir', join(folder, 'elsewhere')]),
  ]);
  await start('master', ['master', ...flags({ replication: 2, shards: 32 })]);
  grpc = `${HOST}:${at('master').grpc}`;
  await Promise.all(
    NAMES.slice(1).map((name) => start(name, ['datanode', ...flags({ id: name, master: grpc })])),
  );
  const rows = Array.from({ length: 5000 }, (_, number) => `key-${number} value-${number}\n`);
  writeFileSync(file('rows.data'), rows.join(''));
  const to = [...flags({ master: grpc }), ...trusting];
  const nodes = async (): Promise<boolean> => {
    const { stdout } = await steleShared(['nodes', ...to]);
    return (stdout.match(/^node-\d +serving/gm) ?? []).length === 3;
  };
  await until('three serving datanodes', nodes);
  const work = flags({ 'work-dir': file('work') });
  const loaded = await stele(['load', 'default', file('rows.data'), ...to, ...work]);
  expect(loaded).toMatchObject({ code: 0 });
  const status = await steleShared(['status', '--wait', 'green', '--timeout', '30s', ...to]);
  expect(status.stdout).toMatch(/^status +green$/m);
}, 90_000);

afterAll(async () => {
  await Promise.all([...processes.values()].map((process) => process.kill()));
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

describe('is read', () => {
  test.runIf(hasTool('redis-cli'))(
    'by redis-cli, with a certificate of its own and without',
    async () => {
      const to = ['-p', String(at('master').resp), '--tls', '--cacert', ca];
      const own = ['--cert', file('client.admin.crt'), '--key', file('client.admin.key')];
      expect(await runTool('redis-cli', [...to, 'GET', 'key-7'])).toBe('value-7\n');
      expect(await runTool('redis-cli', [...to, ...own, 'GET', 'key-8'])).toBe('value-8\n');
      const node = ['-c', '-p', String(at('node-0').resp), '--tls', '--cacert', ca];
      expect(await runTool('redis-cli', [...node, 'GET', 'key-9'])).toMatch(/value-9\n$/);
      const stranger = ['-p', String(at('master').resp), '--tls', '--cacert', strangeCa, 'PING'];
      expect(await runTool('redis-cli', stranger)).toMatch(/certificate verify failed/);
    },
  );

  test.runIf(hasTool('redis-benchmark'))('by redis-benchmark', async () => {
    const to = ['-p', String(at('node-1').resp), '--tls', '--cacert', ca];
    const output = await runTool('redis-benchmark', [
      ...to,
      ...'-t get -n 5000 -P 16 -q'.split(' '),
    ]);
    expect(output).toMatch(/GET: [\d.]+ requests per second/);
  });

  test('by ioredis, through the master and as a cluster client', async () => {
    const tls = { ca: readFileSync(ca) };
    const single = new ioredis.Redis({ port: at('master').resp, tls });
    const cluster = new ioredis.Cluster([{ host: HOST, port: at('node-0').resp }], {
      redisOptions: { tls },
    });
    onTestFinished(() => {
      single.disconnect();
      cluster.disconnect();
    });
    const keys = Array.from({ length: 50 }, (_, number) => `key-${number}`);
    const values = keys.map((key) => key.replace('key', 'value'));
    expect(await single.mget(keys)).toEqual(values);
    expect(await Promise.all(keys.map((key) => cluster.get(key)))).toEqual(values);
    const untrusting = new ioredis.Redis({
      port: at('master').resp,
      tls: { ca: readFileSync(strangeCa) },
      retryStrategy: () => null,
      lazyConnect: true,
    });
    untrusting.on('error', () => undefined);
    await expect(untrusting.connect()).rejects.toThrow();
  });

  const redisPython = pythonWith('redis', 'python3-redis');
  test.runIf(redisPython !== undefined)('by redis-py, plain and as a cluster client', async () => {
    const program = `
import redis
options = dict(host='${HOST}', ssl=True, ssl_ca_certs='${ca}', ssl_check_hostname=False)
print(redis.Redis(port=${at('master').resp}, **options).get('key-3'))
print(redis.RedisCluster(port=${at('node-2').resp}, **options).get('key-3'))
options['ssl_ca_certs'] = '${strangeCa}'
try:
    redis.Redis(port=${at('master').resp}, **options).get('key-3')
except redis.exceptions.ConnectionError as error:
    print('CERTIFICATE_VERIFY_FAILED' in str(error))
`;
    const output = await runTool(redisPython ?? '', ['-c', program]);
    expect(output).toBe("b'value-3'\nb'value-3'\nTrue\n");
  });

  const grpcPython = pythonWith('grpc', 'python3-grpcio');
  test.runIf(grpcPython !== undefined)('by gRPC in Python', async () => {
    const program = `
import grpc
for ca in ('${ca}', '${strangeCa}'):
    credentials = grpc.ssl_channel_credentials(open(ca, 'rb').read())
    channel = grpc.secure_channel('${grpc}', credentials)
    try:
        print(b'default' in channel.unary_unary('/stele.v1.ClusterService/ListKeyspaces')(b'', timeout=5))
    except grpc.RpcError as error:
        print(error.code())
`;
    const output = await runTool(grpcPython ?? '', ['-c', program]);
    expect(output).toMatch(/^True$/m);
    expect(output).toMatch(/^StatusCode.UNAVAILABLE$/m);
  });

  test.runIf(hasTool('curl', 'curl'))(
    'by curl, which also sees the state of the certificates',
    async () => {
      const get = (trusted: string, name: string, path: string): Promise<string> =>
        runTool('curl', ['-sS', '--cacert', trusted, `https://${HOST}:${at(name).http}${path}`]);
      expect(await get(ca, 'master', '/v1/keyspaces/default')).toMatch(/"records":5000/);
      for (const name of ['master', 'node-0']) {
        const ready = await get(ca, name, '/readyz?verbose');
        expect(ready).toMatch(/^\[\+\] TLS: the certificate expires in 36[45] days$/m);
        expect(await get(ca, name, '/metrics')).toMatch(
          /^stele_tls_certificate_expiry_seconds{certificate="own"} 3\d{7}/m,
        );
      }
      expect(await get(strangeCa, 'master', '/livez')).toMatch(/SSL certificate problem/);
    },
  );

  test('by the library, from the datanodes', async () => {
    const client = new SteleClient({ seeds: [grpc], tls: { ca: readFileSync(ca) } });
    onTestFinished(() => client.close());
    expect(String(await client.get('default', 'key-11', { deadlineMs: 10_000 }))).toBe('value-11');
    const other = new SteleClient({ seeds: [grpc], tls: { ca: strangeCa }, deadlineMs: 3000 });
    onTestFinished(() => other.close());
    await expect(other.get('default', 'key-11')).rejects.toThrow(
      /TLS: its certificate is not signed/,
    );
    const admin = connectAdmin(grpc, { tls: { ca: strangeCa } });
    onTestFinished(() => admin.close());
    await expect(admin.listKeyspaces()).rejects.toThrow(/cannot be used \(TLS: its certificate/);
  });

  test('by the command line and the REPL, with the names of redis-cli and their own', async () => {
    const port = ['-p', String(at('master').resp)];
    const one = await steleShared(['cli', ...port, '--tls', '--cacert', ca, 'GET', 'key-5']);
    expect(one.stdout).toBe('value-5\n');
    const piped = await stele(['cli', ...port, ...trusting], { stdin: 'GET key-6\nGET key-7\n' });
    expect(piped.stdout).toBe('value-6\nvalue-7\n');
    const refused = await steleShared(['cli', ...port, '--tls-ca', strangeCa, 'GET', 'key-5']);
    expect(refused.stderr).toMatch(/cannot be used \(TLS: its certificate is not signed/);
  });
});

test('who comes without TLS is told so at once', async () => {
  const started = performance.now();
  const master = flags({ master: grpc });
  for (const words of [
    ['keyspaces', ...master],
    ['load', 'default', file('rows.data'), ...master, ...flags({ 'work-dir': file('work') })],
    ['cli', '-p', String(at('master').resp), 'PING'],
  ]) {
    const { code, stderr } = await steleShared(words);
    expect(code).toBe(4);
    expect(stderr).toMatch(
      /closed the connection before it answered \(if it uses TLS, give --tls-ca/,
    );
  }
  expect(performance.now() - started).toBeLessThan(20_000);
});

/** The serial number of the certificate at a port. */
function serialAt(port: number): Promise<string> {
  const socket = connectTls({ host: HOST, port, rejectUnauthorized: false });
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('secureConnect', () => {
      resolve(socket.getPeerX509Certificate()?.serialNumber ?? '');
      socket.destroy();
    });
  });
}

async function renew(name: string): Promise<void> {
  const ports = [at(name).resp, at(name).http, at(name).grpc];
  const before = await Promise.all(ports.map(serialAt));
  await certs('node', '--name', name, '--renew');
  await until(`the new certificate of ${name}`, async () => {
    const now = await Promise.all(ports.map(serialAt));
    return now.every((serial, index) => serial !== before[index]);
  });
}

/** Does `change`, and waits until every process uses other files than before. */
async function untilTaken(change: () => Promise<void>): Promise<void> {
  const taken = (): number[] =>
    [...processes.values()].map(({ stderr }) => stderr.split('new certificates are in use').length);
  const before = taken();
  await change();
  await until('all processes to take the new files', () =>
    taken().every((count, index) => count > (before[index] ?? 0)),
  );
}

test('certificates and the authority are replaced under readers, beside 1,000 half-open handshakes', async () => {
  const halfOpen = Array.from({ length: HALF_OPEN }, () => connect(at('node-0').resp, HOST));
  let closed = 0;
  for (const socket of halfOpen) {
    socket.on('error', () => undefined).on('close', () => closed++);
    socket.resume();
  }
  const client = new SteleClient({ seeds: [grpc], tls: { ca } });
  onTestFinished(() => client.close());
  await client.get('default', 'key-1', { deadlineMs: 10_000 });
  const over = new AbortController();
  let reads = 0;
  const failures: unknown[] = [];
  const readOn = async (read: () => Promise<unknown>): Promise<void> => {
    while (!over.signal.aborted) {
      try {
        expect(String(await read())).toBe('value-1');
        reads++;
      } catch (thrown) {
        failures.push(thrown);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  /** A connection of its own for each read. */
  const readAnew = async (name: string): Promise<unknown> => {
    const redis = new ioredis.Redis({ port: at(name).resp, tls: { ca: readFileSync(ca) } });
    redis.on('error', () => undefined);
    try {
      return await redis.get('key-1');
    } finally {
      redis.disconnect();
    }
  };
  const kept = new ioredis.Redis({ port: at('master').resp, tls: { ca: readFileSync(ca) } });
  onTestFinished(() => kept.disconnect());
  const readers = [
    readOn(() => client.get('default', 'key-1')),
    readOn(() => kept.get('key-1')),
    readOn(() => readAnew('master')),
  ];
  for (const name of NAMES) await renew(name);
  await untilTaken(() => certs('init', '--renew'));
  await Promise.all(NAMES.map(renew));
  await untilTaken(() => certs('init', '--drop-old'));
  // The connections between the roles are made again with the new authority alone.
  const status = await steleShared(['status', ...flags({ master: grpc }), ...trusting]);
  expect(status.stdout).toMatch(/^status +green$/m);
  await until('the end of the half-open handshakes', () => closed === HALF_OPEN, 20_000);
  over.abort();
  await Promise.all(readers);
  expect(failures).toEqual([]);
  expect(reads).toBeGreaterThan(300);
}, 90_000);
